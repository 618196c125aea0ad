"""The TLS and password settings that every Kafka client of ours is given, kafka-python's and aiokafka's alike.

`KafkaConsumer(..., **security(settings))`. tests/test_layout.py sees to it that no client is made without.
"""

from __future__ import annotations

import ssl
from typing import Any

from schemas.errors import ConfigurationError
from schemas.settings import Settings


def security(settings: Settings) -> dict[str, Any]:
    """Returns the arguments of a client; none for a broker that is spoken to without TLS and without a password.

    Raises:
        ConfigurationError: a user or a password is missing, or the file of certificates cannot be read.
    """
    protocol = settings.kafka_security
    if protocol == "plaintext":
        return {}
    arguments: dict[str, Any] = {"security_protocol": protocol.upper()}
    if protocol.endswith("ssl"):
        arguments["ssl_context"] = tls(settings)
    if protocol.startswith("sasl"):
        username, password = credentials(settings)
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism.upper(),
            "sasl_plain_username": username,
            "sasl_plain_password": password,
        }
    return arguments


def tls(settings: Settings) -> ssl.SSLContext:
    """Returns a TLS context that trusts the authorities of `kafka_ca_file` alone, or those of the system when it is not set.

    Raises:
        ConfigurationError: the file cannot be read.
    """
    try:
        return ssl.create_default_context(cafile=settings.kafka_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"cannot read the certificates of {settings.kafka_ca_file}: {error}", where="DESKSTREAM_KAFKA_CA_FILE"
        ) from error


def credentials(settings: Settings) -> tuple[str, str]:
    """Returns user and password.

    Raises:
        ConfigurationError: one of them is not set.
    """
    username, password = settings.kafka_username, settings.kafka_password.get_secret_value()
    if not username or not password:
        missing = "DESKSTREAM_KAFKA_USERNAME" if not username else "DESKSTREAM_KAFKA_PASSWORD"
        raise ConfigurationError(f"{settings.kafka_security} needs it", where=missing)
    return username, password
