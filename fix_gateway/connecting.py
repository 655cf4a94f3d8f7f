"""Coming to the core, again and again until it is there.

Errors:
    WrongSecretError: the core does not accept our secret; the operator's fault.
"""

import asyncio

import structlog

from fix_gateway.ports import CommandLink, LinkFactory, RefusalHandler, is_transient
from fix_gateway.settings import GatewaySettings
from runtime.link import LinkError, LinkRefused
from runtime.link_frames import ByeCode
from runtime.process import EXIT_CONFIGURATION

log = structlog.get_logger()

_NOT_ACCEPTED = (
    "the core does not accept the secret of the principal fix_gateway (number {}): "
    "secrets/fix_gateway.token of the state directory is not the one that the core has, "
    "or config/venue.toml does not name the principal"
)


class WrongSecretError(Exception):
    """The core does not know us by the secret that we hold."""

    exit_code = EXIT_CONFIGURATION


async def connected(
    connect: LinkFactory,
    stopping: "asyncio.Task[bool]",
    *,
    settings: GatewaySettings,
    refused: RefusalHandler,
) -> CommandLink | None:
    """Make a link to the core; None when we are asked to stop before there is one.

    Args:
        connect: makes one link, or fails.
        stopping: done when we are asked to stop.
        settings: how long to wait between two tries.
        refused: told what the core refuses to sequence.

    Raises:
        WrongSecretError: as the module says.
        LinkError: what another try cannot mend.
    """
    while not stopping.done():
        try:
            return await connect(refused)
        except LinkError as error:
            if isinstance(error, LinkRefused) and error.code == ByeCode.NOT_AUTHENTICATED:
                raise WrongSecretError(_NOT_ACCEPTED.format(settings.principal)) from error
            if not is_transient(error):
                raise
            log.info("core_not_there", reason=str(error))
            await asyncio.wait([stopping], timeout=settings.reconnect_seconds)
    return None
