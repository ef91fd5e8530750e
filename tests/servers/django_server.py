"""What the servers have in common that are packages for Django."""

from __future__ import annotations

from server import HERE, Server, venv


class DjangoServer(Server):
    package = ""

    def command(self, port: int) -> list[str]:
        python = venv("servers") / "bin" / "python"
        program = [str(python), str(HERE / "django_site.py")]
        return [*program, self.package, str(port), str(self.folder), str(int(self.lifetime))]
