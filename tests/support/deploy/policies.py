"""Holds every policy of manifests: test_manifests.py runs them over every build.

test_policies.py shows for each how it fails.
"""

from tests.support.deploy import container_policies, lifecycle_policies, reference_policies, setting_policies
from tests.support.deploy.policy_registry import POLICIES

__all__ = ["POLICIES", "container_policies", "lifecycle_policies", "reference_policies", "setting_policies"]
