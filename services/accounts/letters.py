"""The letters that people get. Pure; none of them has a link that acts when it is opened alone."""

from services.accounts.person import Mail, Person


def _letter(to: str, code: str, subject: str, *paragraphs: str) -> Mail:
    # A letter of ours shows the person's own code; one that does not is somebody else's.
    shown = f"Your anti-phishing code: {code}\n\n" if code else ""
    return Mail(to=to, subject=subject, text=shown + "\n\n".join(paragraphs) + "\n")


def verification(to: str, token: str, *, site: str) -> Mail:
    """Ask whoever reads this mailbox to finish a registration."""
    return _letter(
        to,
        "",
        "Confirm your e-mail address",
        "Somebody registered this address with Rialto. If it was you, confirm it here, with the "
        "password that you chose:",
        f"{site}/verify#{token}",
        "If it was not you, do nothing: without this link the registration lapses.",
    )


def already_registered(person: Person, *, site: str) -> Mail:
    """Tell the owner of an account that somebody tried to register it again."""
    return _letter(
        person.email,
        person.anti_phishing_code,
        "You have an account already",
        "Somebody tried to register this address with Rialto, where you have an account. If it "
        f"was you and you do not know the password any more, recover it at {site}/recover.",
        "If it was not you, there is nothing to do.",
    )


def recovery(person: Person, token: str, *, site: str) -> Mail:
    """Let the owner choose a new password."""
    return _letter(
        person.email,
        person.anti_phishing_code,
        "Choose a new password",
        "Somebody asked to recover this account. If it was you, choose a new password here; your "
        "second factor will be asked for as always:",
        f"{site}/recover#{token}",
        "If it was not you, do nothing: without this link nothing changes.",
    )


def notice(person: Person, subject: str, what: str, *, site: str) -> Mail:
    """Tell the owner what happened in the account."""
    return _letter(
        person.email,
        person.anti_phishing_code,
        subject,
        what,
        f"If this was not you, recover your account at once: {site}/recover.",
    )
