"""Real mail servers of others, on free ports: exim takes mail and delivers it, dovecot serves the mailboxes.

Both run as the user of the tests, as `nobody` when that is root: neither serves mail as root. Everything that they write lies in
one directory, which goes away with them.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from deploy.tools import MailServers, install_mail_servers
from schemas.errors import Unavailable
from tests.support.mail.token_server import TokenServer
from tests.support.producers.certificate import self_signed
from tests.support.producers.imap_server import PASSWORD, USER, ImapServer
from tests.support.producers.log_reader import free_ports
from tests.support.timeouts import eventually

__all__ = ["PEOPLE", "MailHost", "installed", "mail_host"]

#: Whose mail exim takes; anybody else at these domains is unknown, after it has taken the mail. A bounce then.
PEOPLE = {"support": "shop.example", "sales": "shop.example", "ann": "customer.example"}

_DOVECOT = """
base_dir = {here}/base
state_dir = {here}/state
libexec_dir = {dovecot}/usr/lib/dovecot
mail_plugin_dir = {dovecot}/usr/lib/dovecot/modules
log_path = {here}/dovecot.log
import_environment = TZ LD_LIBRARY_PATH
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{here}/certificate.pem
ssl_key = <{here}/certificate.pem
disable_plaintext_auth = no
auth_mechanisms = plain login xoauth2 oauthbearer
auth_failure_delay = 0
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
first_valid_uid = 1
mail_location = maildir:{here}/mail/%u
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {here}/oauth2.conf
}}
passdb {{
  driver = passwd-file
  args = {here}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={here}/mail/%u
}}
"""
_OAUTH2 = """
introspection_mode = post
introspection_url = {introspection}
username_attribute = username
active_attribute = active
active_value = true
"""
_EXIM = r"""
exim_path = {exim}/usr/sbin/exim4
exim_user = Debian-exim
exim_group = Debian-exim
primary_hostname = mx.shop.example
spool_directory = {here}/spool
log_file_path = {here}/exim-%s.log
pid_file_path = {here}/exim.pid
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP : RESOLV_WRAPPER_HOSTS
local_interfaces = 127.0.0.1
daemon_smtp_ports = {smtp}
tls_advertise_hosts = *
tls_certificate = {here}/certificate.pem
tls_privatekey = {here}/certificate.pem
domainlist local_domains = shop.example : customer.example
deliver_drop_privilege = true
never_users =
acl_smtp_rcpt = check_rcpt
acl_smtp_data = check_data
begin acl
check_rcpt:
  deny !authenticated = *
       message = authenticate first
  accept
check_data:
  warn add_header = :at_start:${{authresults {{$primary_hostname}}}}
  accept
begin routers
mailbox:
  driver = accept
  domains = +local_domains
  local_parts = {people}
  local_part_suffix = +*
  local_part_suffix_optional
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {here}/mail/$local_part_data@$domain_data
  create_directory
  delivery_date_add
  envelope_to_add
  return_path_add
begin retry
* * F,1h,1m
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
  server_advertise_condition = ${{if def:tls_cipher}}
xoauth2:
  driver = plaintext
  public_name = XOAUTH2
  server_prompts = :
  server_condition = ${{if match{{$auth1}}{{\N^user={user}\x01auth=Bearer token-[0-9]+\x01\x01$\N}}}}
  server_set_id = token
  server_advertise_condition = ${{if def:tls_cipher}}
oauthbearer:
  driver = plaintext
  public_name = OAUTHBEARER
  server_prompts = :
  server_condition = ${{if match{{$auth1}}{{\N^n,a={user},\x01auth=Bearer token-[0-9]+\x01\x01$\N}}}}
  server_set_id = token
  server_advertise_condition = ${{if def:tls_cipher}}
"""


@dataclass
class MailHost:
    """The two servers. `imap` speaks to the mailbox of `support@shop.example`; `certificate` is their authority, too."""

    here: Path
    imap: ImapServer
    imaps_port: int
    smtp_port: int
    certificate: Path

    def maildir(self, person: str) -> Path:
        return self.here / "mail" / f"{person}@{PEOPLE[person]}"

    def mails_of(self, person: str) -> list[bytes]:
        """Returns what lies in a person's mailbox."""
        return [path.read_bytes() for path in sorted((self.maildir(person) / "new").glob("*"))]

    def publish(self, name: str, text: str) -> None:
        """Puts a TXT record into the DNS that exim asks."""
        with (self.here / "dns").open("a") as records:
            records.write(f"TXT {name} {text}\n")

    def log(self) -> str:
        """Returns what both have logged."""
        return "".join(path.read_text("utf-8", "replace") for path in sorted(self.here.glob("*.log")))


def installed() -> MailServers:
    """Returns the unpacked servers; the test is skipped with the reason where they cannot be had."""
    try:
        return install_mail_servers()
    except Unavailable as error:
        pytest.skip(f"no dovecot and exim here: {error}")


@contextmanager
def mail_host(servers: MailServers, tokens: TokenServer) -> Iterator[MailHost]:
    """Starts both servers; dovecot asks `tokens` what a token is worth."""
    person = pwd.getpwnam("nobody") if os.geteuid() == 0 else _own_entry()
    here = Path(tempfile.mkdtemp(prefix="mail-"))
    imap, imaps, smtp = free_ports(3)
    try:
        dovecot, exim = (_reachable(path, here, person.pw_uid) for path in (servers.dovecot, servers.exim))
        _prepare(here, person, dovecot, exim, tokens, imap=imap, imaps=imaps, smtp=smtp)
        started = [
            _start(here, person, dovecot, ["usr/bin/doveconf", "-f", "service=master", "-c", f"{here}/dovecot.conf", "-m", "master",
                                           "-e", f"{dovecot}/usr/sbin/dovecot", "-F", "-c", f"{here}/dovecot.conf"]),
            _start(here, person, exim, ["usr/sbin/exim4", "-bdf", "-q1h", "-C", f"{here}/exim.conf"], **_names(here, exim)),
        ]  # fmt: skip
        try:
            host = MailHost(here, ImapServer(imap), imaps, smtp, here / "certificate.pem")
            for port in (imap, smtp):
                eventually(ImapServer(port)._listens, f"a mail server on {port}; {host.log()}")
            yield host
        finally:
            for process in started:
                process.send_signal(signal.SIGTERM)
            for process in started:
                process.wait(30)
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # children that would write a last line
    finally:
        shutil.rmtree(here, ignore_errors=True)


def _own_entry() -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        pytest.skip(f"dovecot needs a user with a name, and {os.geteuid()} has none")


def _reachable(path: Path, here: Path, uid: int) -> Path:
    """Returns the directory, or a copy where the servers' user cannot enter it."""
    if uid == os.geteuid() or all(parent.stat().st_mode & 0o001 for parent in (path, *path.parents)):
        return path
    return Path(shutil.copytree(path, here / path.name, symlinks=True))


def _prepare(
    here: Path, person: pwd.struct_passwd, dovecot: Path, exim: Path, tokens: TokenServer, **ports: int
) -> None:
    for name in ("base", "state", "mail", "spool"):
        (here / name).mkdir()
    (here / "base" / "modules").symlink_to(dovecot / "usr/lib/dovecot/modules")
    self_signed(here / "certificate.pem")
    (here / "dns").touch()
    (here / "users").write_text(f"{USER}:{{PLAIN}}{PASSWORD}\nsales@shop.example:{{PLAIN}}{PASSWORD}\n")
    fields = {
        "here": here, "dovecot": dovecot, "exim": exim, "user": person.pw_name, "uid": person.pw_uid, "gid": person.pw_gid,
        "group": subprocess.check_output(["id", "-gn", person.pw_name], text=True).strip(),
    } | ports  # fmt: skip
    (here / "dovecot.conf").write_text(_DOVECOT.format(**fields))
    (here / "oauth2.conf").write_text(_OAUTH2.format(introspection=tokens.introspection_url))
    fields |= {"user": USER, "password": PASSWORD, "people": " : ".join(PEOPLE)}
    (here / "exim.conf").write_text(_EXIM.format(**fields))
    ids = f"x:{person.pw_uid}:{person.pw_gid}"
    names = {each: f"{each}:{ids}::/nonexistent:/bin/false\n" for each in ("Debian-exim", person.pw_name)}
    (here / "passwd").write_text("root:x:0:0::/root:/bin/sh\n" + "".join(names.values()))
    (here / "group").write_text(f"root:x:0:\nDebian-exim:x:{person.pw_gid}:\n")
    if os.geteuid() == 0:
        for path in (here, *here.rglob("*")):
            os.chown(path, person.pw_uid, person.pw_gid, follow_symlinks=False)


def _names(here: Path, exim: Path) -> Mapping[str, str]:
    """Returns the environment in which exim finds the user that it insists on, and DNS records that a test publishes."""
    libraries = [next(exim.glob(f"usr/lib/*/lib{name}_wrapper.so")) for name in ("nss", "resolv")]
    return {
        "LD_PRELOAD": ":".join(map(str, libraries)),
        "RESOLV_WRAPPER_HOSTS": str(here / "dns"),
        "NSS_WRAPPER_PASSWD": str(here / "passwd"),
        "NSS_WRAPPER_GROUP": str(here / "group"),
    }


def _start(
    here: Path, person: pwd.struct_passwd, home: Path, command: Sequence[str], **env: str
) -> subprocess.Popen[bytes]:
    libraries = [home / "usr/lib/dovecot", *home.glob("usr/lib/*-linux-gnu*"), *home.glob("lib/*-linux-gnu*")]
    as_user = {} if os.geteuid() != 0 else {"user": person.pw_uid, "group": person.pw_gid, "extra_groups": []}
    with (here / "output.log").open("ab") as output:
        return subprocess.Popen(
            [str(home / command[0]), *command[1:]],
            cwd=here,
            env={"PATH": "/usr/bin:/bin", "LD_LIBRARY_PATH": ":".join(map(str, libraries)), **env},
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            **as_user,  # type: ignore[arg-type]
        )  # fmt: skip
