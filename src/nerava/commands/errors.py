"""What keeps a command from starting."""

from __future__ import annotations

from http import HTTPStatus

from nerava.kernel.errors import NeravaError


class SettingsInvalid(NeravaError):
    """A setting has a value that cannot be read."""

    code = "settings-invalid"
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    title = "The settings cannot be used"


class DatabaseUnusable(NeravaError):
    """The database cannot be opened or written."""

    code = "database-unusable"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The database cannot be used"


class SchemaBehind(NeravaError):
    """The database has another schema than this version needs."""

    code = "schema-behind"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The database needs `nerava migrate` first"


class SchemaAhead(NeravaError):
    """The database has the schema of a later version than this one."""

    code = "schema-ahead"
    status = HTTPStatus.SERVICE_UNAVAILABLE
    title = "The database is of a newer version"


class FileServed(NeravaError):
    """Another process serves the SQLite file; there is one at a time."""

    code = "file-served"
    status = HTTPStatus.CONFLICT
    title = "Another process serves these books"


class PortTaken(NeravaError):
    """Another program listens on the port."""

    code = "port-taken"
    status = HTTPStatus.CONFLICT
    title = "The port is taken"


class AddressUnusable(NeravaError):
    """The address cannot be listened on: not one of this machine's, or a port kept for others."""

    code = "address-unusable"
    status = HTTPStatus.CONFLICT
    title = "Nothing can be served there"


class FileUnusable(NeravaError):
    """A file that was named cannot be read or written."""

    code = "file-unusable"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "The file cannot be used"


class DemoRefused(NeravaError):
    """The demo must not run here."""

    code = "demo-refused"
    status = HTTPStatus.CONFLICT
    title = "The demo does not start"


class NoSimulators(NeravaError):
    """Under production rules nobody is simulated."""

    code = "no-simulators"
    status = HTTPStatus.CONFLICT
    title = "There are no simulators in production and staging"


class NoRolesThere(NeravaError):
    """The database has no roles that rights could be given to."""

    code = "no-roles-there"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    title = "There are no roles to grant to"


class OpsNeedPasskey(NeravaError):
    """Where production rules hold, people of ops come in with a passkey and in no other way."""

    code = "ops-need-passkey"
    status = HTTPStatus.FORBIDDEN
    title = "Ops come in with a passkey; `nerava ops invite` prints a link to add the first one"


class DirectoryOff(NeravaError):
    """The directory that should be read is not switched on."""

    code = "directory-off"
    status = HTTPStatus.CONFLICT
    title = "The directory is off"


class DirectoryUnreadable(NeravaError):
    """The directory said no, or nothing that could be read."""

    code = "directory-unreadable"
    status = HTTPStatus.BAD_GATEWAY
    title = "The directory cannot be read now"


class NetworkBusy(NeravaError):
    """A worker reads the network at this moment; a minute later it can be read here."""

    code = "network-busy"
    status = HTTPStatus.CONFLICT
    title = "The network is being read by a worker"
