"""What a person does with its own account. Every object is looked for in it, and nowhere else."""

from typing import Any

from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody
from litestar.status_codes import HTTP_200_OK, HTTP_204_NO_CONTENT

from services.accounts.api_keys import NewKey
from services.accounts.http import answers, bodies
from services.accounts.http.door import Door, HttpRequest
from services.accounts.one_time_codes import secret_text


def routes(door: Door) -> list[Any]:
    """Make the handlers."""
    return [*_account(door), *_sessions(door), *_factors(door), *_passkeys(door), *_keys(door)]


def _account(door: Door) -> list[Any]:
    desks = door.desks

    @get("/me")
    async def me(request: HttpRequest) -> answers.Me:
        """See one's account."""
        return answers.me((await door.caller(request)).person)

    @get("/me/activity")
    async def activity(request: HttpRequest) -> list[answers.NoteView]:
        """See the newest lines of one's security record."""
        caller = await door.caller(request)
        count_max = desks.registry.limits.activity_shown_max
        notes = await desks.registry.store.notes(caller.person.person_id, count_max=count_max)
        return [answers.note(each) for each in notes]

    @put("/me/anti-phishing-code", status_code=HTTP_204_NO_CONTENT)
    async def code(request: HttpRequest, data: JSONBody[bodies.AntiPhishingCode]) -> None:
        """Set the words that every letter of ours begins with."""
        caller = await door.caller(request)
        door.accepted(await desks.credentials.set_anti_phishing_code(caller, data.code))

    @put("/password", status_code=HTTP_204_NO_CONTENT)
    async def password(request: HttpRequest, data: JSONBody[bodies.NewPassword]) -> None:
        """Change the password (step-up: ``change_password``); all other sessions end."""
        caller = await door.caller(request)
        answer = await desks.credentials.change_password(caller, data.password, door.grant(request))
        door.accepted(answer)

    return [me, activity, code, password]


def _sessions(door: Door) -> list[Any]:
    desks = door.desks

    @get("/sessions")
    async def sessions(request: HttpRequest) -> list[answers.SessionView]:
        """List one's sessions and their devices."""
        caller = await door.caller(request)
        this = caller.session.sid
        return [answers.session(each, this=this) for each in caller.person.sessions]

    @delete("/sessions/{sid:str}")
    async def end_session(request: HttpRequest, sid: FromPath[str]) -> None:
        """End one session, at once."""
        door.accepted(await desks.sign_in.end(await door.caller(request), sid))

    @delete("/sessions")
    async def end_others(request: HttpRequest) -> None:
        """End all sessions but this one."""
        door.accepted(await desks.sign_in.end_others(await door.caller(request)))

    @post("/sign-out", status_code=HTTP_204_NO_CONTENT)
    async def sign_out(request: HttpRequest) -> None:
        """End this session."""
        caller = await door.caller(request)
        door.accepted(await desks.sign_in.end(caller, caller.session.sid))

    @post("/step-up/passkey", status_code=HTTP_200_OK)
    async def ask_passkey(request: HttpRequest) -> answers.PasskeyChallenge:
        """Ask for what a passkey signs to step up."""
        answer = await desks.step_up.ask_passkey(await door.caller(request))
        challenge, options = door.accepted(answer)
        return answers.PasskeyChallenge(challenge=challenge, options=options)

    @post("/step-up", status_code=HTTP_200_OK)
    async def step_up(
        request: HttpRequest, data: JSONBody[bodies.SteppingUp]
    ) -> answers.StepUpGrant:
        """Prove oneself afresh for one action; the grant is good once."""
        caller = await door.caller(request)
        grant = door.accepted(
            await desks.step_up.prove(
                caller, data.purpose, data.details, data.proof, data.challenge
            )
        )
        seconds = desks.registry.limits.step_up_seconds
        return answers.StepUpGrant(grant=grant, expires_in_seconds=seconds)

    return [sessions, end_session, end_others, sign_out, ask_passkey, step_up]


def _factors(door: Door) -> list[Any]:
    credentials = door.desks.credentials

    @post("/factors/totp", status_code=HTTP_200_OK)
    async def begin_totp(request: HttpRequest) -> answers.TotpOffer:
        """Begin with an authenticator app (step-up: ``manage_factors``)."""
        caller = await door.caller(request)
        secret, uri = door.accepted(await credentials.begin_totp(caller, door.grant(request)))
        return answers.TotpOffer(secret=secret_text(secret), uri=uri)

    @post("/factors/totp/confirm", status_code=HTTP_200_OK)
    async def confirm_totp(
        request: HttpRequest, data: JSONBody[bodies.TotpCode]
    ) -> answers.RecoveryCodes:
        """Take the app by a code that it shows."""
        caller = await door.caller(request)
        codes = door.accepted(await credentials.confirm_totp(caller, data.code))
        return answers.RecoveryCodes(recovery_codes=codes)

    @delete("/factors/totp")
    async def remove_totp(request: HttpRequest) -> None:
        """Forget the app (step-up: ``manage_factors``)."""
        caller = await door.caller(request)
        door.accepted(await credentials.remove_totp(caller, door.grant(request)))

    @post("/factors/recovery-codes", status_code=HTTP_200_OK)
    async def make_codes(request: HttpRequest) -> answers.RecoveryCodes:
        """Make new recovery codes (step-up: ``manage_factors``)."""
        caller = await door.caller(request)
        answer = await credentials.make_recovery_codes(caller, door.grant(request))
        return answers.RecoveryCodes(recovery_codes=door.accepted(answer))

    return [begin_totp, confirm_totp, remove_totp, make_codes]


def _passkeys(door: Door) -> list[Any]:
    credentials = door.desks.credentials

    @post("/factors/passkeys/options", status_code=HTTP_200_OK)
    async def begin_passkey(request: HttpRequest) -> answers.PasskeyChallenge:
        """Begin with a passkey (step-up: ``manage_factors``)."""
        caller = await door.caller(request)
        answer = await credentials.begin_passkey(caller, door.grant(request))
        challenge, options = door.accepted(answer)
        return answers.PasskeyChallenge(challenge=challenge, options=options)

    @post("/factors/passkeys", status_code=HTTP_200_OK)
    async def add_passkey(
        request: HttpRequest, data: JSONBody[bodies.NewPasskey]
    ) -> answers.RecoveryCodes:
        """Take the passkey that the browser made."""
        caller = await door.caller(request)
        answer = await credentials.add_passkey(caller, data.challenge, data.credential, data.label)
        return answers.RecoveryCodes(recovery_codes=door.accepted(answer))

    @delete("/factors/passkeys/{credential:str}")
    async def remove_passkey(request: HttpRequest, credential: FromPath[str]) -> None:
        """Forget a passkey (step-up: ``manage_factors``)."""
        caller = await door.caller(request)
        answer = await credentials.remove_passkey(caller, credential, door.grant(request))
        door.accepted(answer)

    return [begin_passkey, add_passkey, remove_passkey]


def _keys(door: Door) -> list[Any]:
    desks = door.desks

    @get("/api-keys")
    async def api_keys(request: HttpRequest) -> list[answers.ApiKeyView]:
        """List one's keys."""
        caller = await door.caller(request)
        return [answers.api_key(each) for each in caller.person.api_keys]

    @post("/api-keys")
    async def create_key(
        request: HttpRequest, data: JSONBody[bodies.NewApiKey]
    ) -> answers.CreatedApiKey:
        """Make a key (step-up: ``manage_api_keys``); its secret is shown once."""
        caller = await door.caller(request)
        wanted = NewKey(
            label=data.label,
            kind=data.kind,
            public_key=data.public_key,
            permissions=tuple(dict.fromkeys(data.permissions)),
            addresses=data.addresses,
            seconds=data.seconds,
        )
        answer = await desks.api_keys.create(caller, wanted, door.grant(request))
        key, secret = door.accepted(answer)
        return answers.CreatedApiKey(key=answers.api_key(key), secret=secret)

    @delete("/api-keys/{key_id:str}")
    async def delete_key(request: HttpRequest, key_id: FromPath[str]) -> None:
        """Delete a key, at once."""
        door.accepted(await desks.api_keys.delete(await door.caller(request), key_id))

    return [api_keys, create_key, delete_key]
