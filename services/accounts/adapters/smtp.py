"""Letters handed to a mail server by SMTP (RFC 5321), over TLS or on loopback."""

from email.message import EmailMessage
from email.policy import SMTP
from ipaddress import ip_address
from pathlib import Path

import aiosmtplib

from runtime.toml import SettingsError
from services.accounts.errors import MailRefusedError
from services.accounts.person import Mail
from services.accounts.settings import SmtpSettings


class SmtpMailer:
    """A ``Mailer`` that opens a connection for each letter."""

    def __init__(self, settings: SmtpSettings) -> None:
        """Describe the server.

        Raises:
            SettingsError: letters would cross a network in clear, or there is no password file.
        """
        if settings.security == "none" and not _is_loopback(settings.host):
            raise SettingsError(
                f"accounts.smtp: letters hold secrets, and {settings.host} is reached in clear:"
                ' security = "starttls" or "tls"'
            )
        self._settings = settings
        self._password = None
        if settings.password_file:
            try:
                self._password = Path(settings.password_file).read_text().strip()
            except OSError as error:
                raise SettingsError(
                    f"accounts.smtp.password_file: {settings.password_file}: {error.strerror}"
                ) from error

    async def send(self, mail: Mail) -> None:
        """See ``Mailer.send``."""
        settings = self._settings
        message = EmailMessage(policy=SMTP)
        message["From"] = settings.sender
        message["To"] = mail.to
        message["Subject"] = mail.subject
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(mail.text)
        try:
            await aiosmtplib.send(
                message,
                hostname=settings.host,
                port=settings.port,
                use_tls=settings.security == "tls",
                start_tls=settings.security == "starttls",
                username=settings.user or None,
                password=self._password,
                timeout=settings.seconds_max,
            )
        except aiosmtplib.SMTPResponseException as error:
            is_final = 500 <= error.code < 600
            raise MailRefusedError(f"{error.code} {error.message}", is_final=is_final) from error
        except aiosmtplib.SMTPRecipientsRefused as error:
            is_final = all(500 <= each.code < 600 for each in error.recipients)
            raise MailRefusedError("the recipient was refused", is_final=is_final) from error
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            raise MailRefusedError(str(error), is_final=False) from error


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
