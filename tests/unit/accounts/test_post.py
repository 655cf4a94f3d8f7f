import hashlib
import socket
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from runtime.toml import SettingsError
from services.accounts.adapters.breached_file import BreachedPasswordsFile
from services.accounts.adapters.memory import MemoryMailer, MemoryStore
from services.accounts.adapters.smtp import SmtpMailer
from services.accounts.errors import MailRefusedError
from services.accounts.metrics import AccountsMetrics
from services.accounts.person import Mail
from services.accounts.post_office import PostOffice
from services.accounts.settings import SmtpSettings
from tests.unit.accounts.office import HandClock
from tests.unit.accounts.store_promises import somebody

MAIL = Mail(to="ada@example.org", subject="Hello", text="A line\n.\nand one after a dot: \u00e9\n")


class Mailbox:
    """What a mail server's owner sees."""

    def __init__(self) -> None:
        self.received: list[Envelope] = []
        self.answer = "250 OK"

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        if self.answer.startswith("250"):
            self.received.append(envelope)
        return self.answer


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def smtp(mailbox: Mailbox) -> Iterator[SmtpSettings]:
    """A real mail server on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = Controller(mailbox, hostname="127.0.0.1", port=port)
    server.start()
    yield SmtpSettings(host="127.0.0.1", port=port, security="none", sender="venue@example.org")
    server.stop()


async def test_a_letter_arrives_whole(smtp: SmtpSettings, mailbox: Mailbox) -> None:
    await SmtpMailer(smtp).send(MAIL)
    (envelope,) = mailbox.received
    assert (envelope.mail_from, envelope.rcpt_tos) == ("venue@example.org", [MAIL.to])
    content = envelope.original_content
    assert content is not None
    message = message_from_bytes(content, policy=policy.default)
    assert message["Subject"] == "Hello"
    assert message["Auto-Submitted"] == "auto-generated"
    body: Any = message.get_body()
    assert body.get_content().replace("\r\n", "\n") == MAIL.text


@pytest.mark.parametrize(("answer", "is_final"), [("550 no such mailbox", True), ("451 later", False)])  # fmt: skip  # noqa: E501
async def test_a_refusal_says_whether_it_is_final(
    smtp: SmtpSettings, mailbox: Mailbox, answer: str, is_final: bool
) -> None:
    mailbox.answer = answer
    with pytest.raises(MailRefusedError) as refused:
        await SmtpMailer(smtp).send(MAIL)
    assert refused.value.is_final is is_final


async def test_a_server_that_is_away_is_not_final() -> None:
    away = SmtpSettings(host="127.0.0.1", port=1, security="none")
    with pytest.raises(MailRefusedError) as refused:
        await SmtpMailer(away).send(MAIL)
    assert refused.value.is_final is False


async def test_a_server_without_tls_gets_no_letter_that_needs_it(smtp: SmtpSettings) -> None:
    with pytest.raises(MailRefusedError):
        await SmtpMailer(replace(smtp, security="starttls")).send(MAIL)


def test_letters_do_not_cross_a_network_in_clear() -> None:
    with pytest.raises(SettingsError, match="in clear"):
        SmtpMailer(SmtpSettings(host="mail.example.org", security="none"))


class Post:
    """A post office with a mailer that is told what to do."""

    def __init__(self, **settings: Any) -> None:
        self.store, self.mailer, self.clock = MemoryStore(), MemoryMailer(), HandClock()
        self.office = PostOffice(
            self.store,
            self.mailer,
            SmtpSettings(**settings),
            clock=self.clock,
            metrics=AccountsMetrics(CollectorRegistry()),
        )

    async def write(self, *letters: Mail) -> None:
        assert await self.store.add(somebody(), letters, ())


async def test_every_letter_that_is_due_is_sent_once() -> None:
    post = Post()
    second = Mail(to="bob@example.org", subject="2", text="")
    await post.write(MAIL, second)
    assert await post.office.send_due() == 2
    assert await post.office.send_due() == 0
    assert post.mailer.sent == [MAIL, second]


async def test_a_refused_letter_waits_longer_each_time_and_is_given_up() -> None:
    post = Post(tries_max=3, retry_seconds_first=60, retry_seconds_max=100)
    await post.write(MAIL)
    post.mailer.refuses = True
    await post.office.send_due()
    for wait in (60, 100):
        post.clock.pass_seconds(wait - 1)
        post.mailer.refuses = False
        assert await post.office.send_due() == 0
        post.mailer.refuses = True
        post.clock.pass_seconds(1)
        await post.office.send_due()
    assert await post.store.letters_waiting() == 0
    assert post.mailer.sent == []


async def test_a_letter_in_hand_when_we_die_is_sent_later() -> None:
    post = Post(seconds_max=20)
    await post.write(MAIL)
    await post.office._next()
    assert await post.office.send_due() == 0
    post.clock.pass_seconds(40)
    assert await post.office.send_due() == 1


def test_breached_passwords_are_found_wherever_they_stand_in_the_list(tmp_path: Path) -> None:
    words = [f"password number {at}" for at in range(257)]
    digests = sorted(
        hashlib.sha1(word.encode(), usedforsecurity=False).hexdigest().upper() for word in words
    )
    for form in ("{}", "{}:12"):
        path = tmp_path / "list"
        path.write_text("\n".join(form.format(each) for each in digests) + "\n")
        found = BreachedPasswordsFile(path)
        assert all(found.contains(word) for word in words)
        assert not any(found.contains(f"{word}!") for word in words)
        found.close()


@pytest.mark.parametrize("text", ["", "hello\n", "ABC\n"])
def test_what_is_no_list_of_digests_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list"
    path.write_text(text)
    with pytest.raises(SettingsError, match="list"):
        BreachedPasswordsFile(path)
    with pytest.raises(SettingsError):
        BreachedPasswordsFile(tmp_path / "nothing")
