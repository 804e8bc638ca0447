"""What a fake server says in each protocol: correct, but for its flaws."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Set

from tests.audit.flaw import Flaw

Flaws = Set[Flaw]
Read = Callable[[int], bytes]


class Script(ABC):
    """The server's side of one connection, with its login and TLS state (mutable)."""

    starttls: bytes
    farewell: bytes
    listing_after_tls = False

    def __init__(self, flaws: Flaws, read: Read) -> None:
        self.flaws = flaws
        self.read = read
        self.is_secure = False
        self.is_member = False
        self.is_over = False

    def has(self, flaw: Flaw) -> bool:
        return flaw in self.flaws

    def secure(self) -> None:
        """TLS is up: forget what was said before."""
        self.is_secure = True
        self.is_member = self.is_member and self.has(Flaw.KEEPS_LOGIN)

    @property
    def offers_starttls(self) -> bool:
        hidden = self.has(Flaw.HIDES_STARTTLS) or self.has(Flaw.HAS_NO_STARTTLS)
        return self.has(Flaw.OFFERS_AGAIN) or self.looks_clear if not hidden else False

    @property
    def looks_clear(self) -> bool:
        """Whether the capabilities are those before TLS."""
        return not self.is_secure or self.has(Flaw.KEEPS_CAPABILITIES)

    @property
    def offers_login(self) -> bool:
        return not self.looks_clear or self.has(Flaw.OFFERS_LOGIN)

    def refuses_starttls(self, has_arguments: bool) -> bool:
        if self.has(Flaw.HAS_NO_STARTTLS) or (has_arguments and not self.has(Flaw.IGNORES_ARGUMENTS)):
            return True
        return self.is_secure and not self.has(Flaw.ACCEPTS_TWICE)

    def is_starttls(self, line: bytes) -> bool:
        return re.match(rb"(\S+ )?" + self.starttls + rb"\b", line) is not None

    def login(self, yes: bytes, no: bytes, prompt: bytes, looked: bytes, *, is_complete: bool = True) -> bytes:
        """The answer to a login, by what is wrong here."""
        if self.has(Flaw.PROMPTS) and not is_complete:
            return prompt
        if self.has(Flaw.TAKES_LOGIN) and is_complete:
            self.is_member = True
            return yes
        return looked if self.has(Flaw.LOOKS_AT_LOGIN) and is_complete else no

    @abstractmethod
    def greeting(self) -> bytes: ...

    @abstractmethod
    def go_ahead(self, line: bytes) -> bytes: ...

    @abstractmethod
    def refusal(self, line: bytes) -> bytes: ...

    @abstractmethod
    def answer(self, line: bytes) -> bytes: ...


class Imap(Script):
    starttls = b"STARTTLS"

    def greeting(self) -> bytes:
        return b"* PREAUTH welcome\r\n" if self.has(Flaw.GREETS_PREAUTH) else b"* OK ready\r\n"

    def go_ahead(self, line: bytes) -> bytes:
        return line.split()[0] + b" OK begin TLS\r\n"

    def refusal(self, line: bytes) -> bytes:
        return line.split()[0] + b" BAD no\r\n"

    def answer(self, line: bytes) -> bytes:
        tag, _, rest = line.partition(b" ")
        verb, _, argument = rest.partition(b" ")
        if literal := re.search(rb"\{(\d+)(\+?)\}$", argument):
            return self._literal(tag, int(literal[1]), is_asking=not literal[2])
        match verb:
            case b"CAPABILITY":
                words = [b"IMAP4rev1", *([b"STARTTLS"] if self.offers_starttls else [])]
                words.append(b"AUTH=PLAIN" if self.offers_login else b"LOGINDISABLED")
                return b"* CAPABILITY %s\r\n%s OK done\r\n" % (b" ".join(words), tag)
            case b"NOOP":
                return tag + b" OK done\r\n"
            case b"LOGOUT":
                self.is_over = True
                return b"* BYE bye\r\n" + tag + b" OK done\r\n"
            case b"LOGIN" | b"AUTHENTICATE":
                return self.login(
                    tag + b" OK welcome\r\n",
                    tag + b" NO [PRIVACYREQUIRED] TLS first\r\n",
                    b"+ \r\n",
                    tag + b" NO [AUTHENTICATIONFAILED] wrong\r\n",
                    is_complete=verb == b"LOGIN" or b" " in argument,
                )
            case b"LIST" if self.is_member:
                return tag + b" OK done\r\n"
        return tag + b" BAD what?\r\n"

    def _literal(self, tag: bytes, length: int, *, is_asking: bool) -> bytes:
        if is_asking and self.has(Flaw.PROMPTS_FOR_LITERAL):
            return b"+ more\r\n"
        if not self.has(Flaw.EXECUTES_LITERAL):
            self.is_over = True
        return tag + b" BAD no literals here\r\n"


class Pop3(Script):
    starttls = b"STLS"

    def greeting(self) -> bytes:
        return b"+OK ready <1.2@fake.test>\r\n" if self.has(Flaw.OFFERS_APOP) else b"+OK ready\r\n"

    def go_ahead(self, line: bytes) -> bytes:
        return b"+OK begin TLS\r\n"

    def refusal(self, line: bytes) -> bytes:
        return b"-ERR no\r\n"

    def answer(self, line: bytes) -> bytes:
        verb, _, argument = line.partition(b" ")
        match verb:
            case b"CAPA":
                words = [b"TOP", *([b"STLS"] if self.offers_starttls else [])]
                words += [b"USER", b"SASL PLAIN"] if self.offers_login else []
                return b"\r\n".join((b"+OK", *words, b".")) + b"\r\n"
            case b"QUIT":
                self.is_over = True
                return b"+OK bye\r\n"
            case b"USER" | b"PASS" | b"AUTH":
                return self.login(
                    b"+OK fine\r\n",
                    b"-ERR [AUTH] TLS first\r\n",
                    b"+ \r\n",
                    b"-ERR [AUTH] Authentication failed.\r\n",
                    is_complete=verb != b"AUTH" or b" " in argument,
                )
            case b"STAT" if self.is_member:
                return b"+OK 0 0\r\n"
        return b"-ERR what?\r\n"


class Smtp(Script):
    starttls = b"STARTTLS"
    hello = b"EHLO"

    def __init__(self, flaws: Flaws, read: Read) -> None:
        super().__init__(flaws, read)
        self.is_introduced = self.has(Flaw.NEEDS_NO_HELLO)
        self.has_sender = False

    def secure(self) -> None:
        super().secure()
        kept = self.is_introduced and self.has(Flaw.KEEPS_HELLO)
        self.is_introduced = kept or self.has(Flaw.NEEDS_NO_HELLO)
        self.has_sender = self.has_sender and self.has(Flaw.KEEPS_MAIL)

    def greeting(self) -> bytes:
        return b"220-fake.test\r\n220 ready\r\n"

    def go_ahead(self, line: bytes) -> bytes:
        return b"220 begin TLS\r\n"

    def refusal(self, line: bytes) -> bytes:
        return b"501 5.5.4 no arguments\r\n" if b" " in line else b"503 5.5.1 no\r\n"

    def answer(self, line: bytes) -> bytes:
        verb, _, argument = line.partition(b" ")
        match verb:
            case self.hello:
                self.is_introduced = True
                words = [b"fake.test", b"8BITMIME", *([b"STARTTLS"] if self.offers_starttls else [])]
                words += [b"AUTH PLAIN LOGIN"] if self.offers_login else []
                return b"".join(b"250-%s\r\n" % word for word in words) + b"250 OK\r\n"
            case b"NOOP":
                return b"250 done\r\n"
            case b"QUIT":
                self.is_over = True
                return b"221 bye\r\n"
            case b"AUTH" if self.is_member:
                return b"503 5.5.1 you have\r\n"
            case b"AUTH":
                return self.login(
                    b"235 welcome\r\n",
                    b"530 5.7.0 TLS first\r\n",
                    b"334 \r\n",
                    b"535 5.7.8 wrong\r\n",
                    is_complete=b" " in argument,
                )
            case b"MAIL":
                return self.mail()
            case b"RCPT" if self.has_sender:
                return b"250 go on\r\n"
            case b"RCPT":
                return b"503 5.5.1 MAIL first\r\n"
        return b"500 5.5.2 what?\r\n"

    def mail(self) -> bytes:
        if not self.is_introduced:
            return b"503 5.5.1 who are you?\r\n"
        if not self.is_secure and not self.has(Flaw.KEEPS_MAIL):
            return b"530 5.7.0 TLS first\r\n"
        self.has_sender = True
        return b"250 go on\r\n"


class Lmtp(Smtp):
    hello = b"LHLO"


class ManageSieve(Script):
    starttls = b"STARTTLS"
    listing_after_tls = True

    def greeting(self) -> bytes:
        words = [b'"IMPLEMENTATION" "fake"', b'"SASL" "%s"' % (b"PLAIN" if self.offers_login else b"")]
        words += [b'"STARTTLS"'] if self.offers_starttls else []
        return b"\r\n".join((*words, b"OK ready")) + b"\r\n"

    def go_ahead(self, line: bytes) -> bytes:
        return b"OK begin TLS\r\n"

    def refusal(self, line: bytes) -> bytes:
        return b'NO "no"\r\n'

    def answer(self, line: bytes) -> bytes:
        verb, _, argument = line.partition(b" ")
        match verb:
            case b"CAPABILITY":
                return self.greeting()
            case b"NOOP":
                return b'OK (TAG %s) "done"\r\n' % argument if argument else b'OK "done"\r\n'
            case b"LOGOUT":
                self.is_over = True
                return b"OK bye\r\n"
            case b"AUTHENTICATE":
                return self._authenticate(argument)
            case b"LISTSCRIPTS" if self.is_member:
                return b"OK\r\n"
        return b'NO "what?"\r\n'

    def _authenticate(self, argument: bytes) -> bytes:
        literal = re.search(rb"\{(\d+)\+\}$", argument)
        if literal and not self.has(Flaw.EXECUTES_LITERAL):
            self.read(int(literal[1]) + len(b"\r\n"))
        return self.login(
            b"OK welcome\r\n",
            b'NO (ENCRYPT-NEEDED) "TLS first"\r\n',
            b'""\r\n',
            b'NO "Invalid user or password"\r\n',
            is_complete=b" " in argument,
        )


SCRIPTS: Mapping[str, type[Script]] = {
    "imap": Imap,
    "pop3": Pop3,
    "submission": Smtp,
    "smtp": Smtp,
    "lmtp": Lmtp,
    "managesieve": ManageSieve,
}
