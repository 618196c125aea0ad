"""What the NetworkPolicies of a build allow, as text, as a cluster would compute it: `kafka:9092` is a path.

A peer is the component of pods in the same build, `namespace NAME`, `namespace NAME/POD`, `anywhere`, or `internet`
(anywhere but private addresses).
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.support.deploy.manifests import Doc, Workload, of_kind, selects, workloads

Documents = tuple[Doc, ...]
PRIVATE = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"}


def component(workload: Workload) -> str:
    """Jobs share a component: they are known by their own names."""
    name = str(workload.document["metadata"]["name"])
    return name if workload.kind == "Job" else workload.labels.get("app.kubernetes.io/component", name)


def paths_out(documents: Documents) -> dict[str, set[str]]:
    """Component -> where it may connect to. A pod that no policy restricts may go `anywhere:any`."""
    return {component(workload): set(_paths(documents, workload, "Egress")) for workload in workloads(documents)}


def paths_in(documents: Documents) -> dict[str, set[str]]:
    """Component -> who may connect to it, `worker:9092` being a worker that reaches its port 9092."""
    return {component(workload): set(_paths(documents, workload, "Ingress")) for workload in workloads(documents)}


def dead_ends(documents: Documents) -> Iterator[str]:
    """A path to a pod that lets nobody of that kind in."""
    into = paths_in(documents)
    for source, destinations in paths_out(documents).items():
        for destination in sorted(destinations):
            name, _, port = destination.rpartition(":")
            if name in into and not {f"{source}:{port}", f"anywhere:{port}"} & into[name]:
                yield f"{source} -> {destination}"


def _paths(documents: Documents, workload: Workload, direction: str) -> Iterator[str]:
    policies = [
        policy["spec"]
        for policy in of_kind(documents, "NetworkPolicy")
        if direction in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], workload.labels)
    ]
    if not policies:
        yield "anywhere:any"
    rules = [rule for policy in policies for rule in policy.get(direction.lower(), [])]
    for rule in rules:
        peers = rule.get("to" if direction == "Egress" else "from")
        for peer in ["anywhere"] if peers is None else [name for each in peers for name in _peers(documents, each)]:
            for port in rule.get("ports", [{"port": "any"}]):
                yield f"{peer}:{_number(port['port'], workload) if direction == 'Ingress' else port['port']}"


def _peers(documents: Documents, peer: Doc) -> list[str]:
    if block := peer.get("ipBlock"):
        return ["internet" if set(block.get("except", [])) >= PRIVATE else f"addresses {block['cidr']}"]
    if namespaces := peer.get("namespaceSelector"):
        name = namespaces.get("matchLabels", {}).get("kubernetes.io/metadata.name", "(any)")
        pods = "".join(f"/{value}" for value in peer.get("podSelector", {}).get("matchLabels", {}).values())
        return [f"namespace {name}{pods}"]
    chosen = [component(each) for each in workloads(documents) if selects(peer.get("podSelector"), each.labels)]
    return chosen or ["pods " + ",".join(peer["podSelector"].get("matchLabels", {}).values())]


def _number(port: int | str, workload: Workload) -> int | str:
    """Named ports are those of the pod that is connected to."""
    named = {each["name"]: each["containerPort"] for container in workload.containers
             for each in container.get("ports", [])}  # fmt: skip
    return named.get(port, port) if isinstance(port, str) else port
