"""What the servers have in common that are packages for Django."""

from __future__ import annotations

from server import HERE, Server, venv


class DjangoServer(Server):
    package = ""
    #: Where it is installed: build/venv/NAME.
    environment_name = "servers-all"

    def command(self, port: int) -> list[str]:
        python = venv(self.environment_name) / "bin" / "python"
        program = [str(python), str(HERE / "django_site.py")]
        return [*program, self.package, str(port), str(self.folder), str(int(self.lifetime))]
