"""How the master starts fronts and templates: what each is told, and which descriptors it keeps.

`askr_http.front` and `askr_php.template` are imported in the child only: the master's memory, which every child inherits, has no event
loop and no PHP in it.
"""

from __future__ import annotations

import gc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NoReturn

from askr_cli.master.children import fork_child

if TYPE_CHECKING:
    from askr_cli.master.listeners import Listener
    from askr_cli.options import Settings
    from askr_cli.resolve import Places
    from askr_http.wires import WireName
    from askr_shm.pool import Pool


@dataclass(frozen=True)
class ProcessLauncher:
    """Starts real fronts and templates (`places.Launcher`). `open_files` is the limit (soft, hard) that applications get."""

    settings: Settings
    places: Places
    pool: Pool
    wire: WireName
    listeners: tuple[Listener, ...]
    open_files: tuple[int, int]

    def front(self, index: int, ready_fd: int) -> int:
        """Fork front `index`; it keeps the raised limit of open files, because it holds the connections."""
        keep = {*self._pool_fds(), *self._listener_fds(index), ready_fd}
        gc.freeze()  # what exists now is not touched by collections in the child, so its pages stay shared
        return fork_child(lambda: self._be_front(index, ready_fd), name=f"askr-front-{index}", keep=keep)

    def template(self, control_fd: int) -> int:
        """Fork a template."""
        keep = {*self._pool_fds(), control_fd}
        gc.freeze()
        return fork_child(
            lambda: self._be_template(control_fd), name="askr-template", keep=keep, open_files=self.open_files
        )

    def _listener_fds(self, front: int) -> tuple[int, ...]:
        return tuple(listener.fds[front] for listener in self.listeners)

    def _pool_fds(self) -> set[int]:
        return {self.pool.fd, self.pool.spool_fd, self.pool.master_eventfd, *self.pool.eventfds}

    def _be_front(self, index: int, ready_fd: int) -> NoReturn:
        from askr_http.front import FrontSpec, main
        from askr_http.limits import Limits

        settings = self.settings
        main(
            FrontSpec(
                index=index,
                listener_fds=self._listener_fds(index),
                pool=self.pool,
                root=self.places.root,
                front_controller=self.places.front_controller,
                is_worker_mode=self.places.worker_script is not None,
                scripts=settings.scripts,
                follow_symlinks=settings.follow_symlinks,
                https=settings.https,
                access_log=settings.access_log,
                ready_fd=ready_fd,
                wire=self.wire,
                limits=Limits(
                    body_bytes=settings.max_body_size,
                    header_read_timeout_s=settings.header_read_timeout_s,
                    keepalive_timeout_s=settings.keepalive_timeout_s,
                    queue_timeout_s=settings.queue_timeout_s,
                    drain_timeout_s=settings.drain_timeout_s,
                    connections=settings.max_connections,
                    connections_per_address=settings.max_connections_per_address,
                ),
            )
        )

    def _be_template(self, control_fd: int) -> NoReturn:
        from askr_php.template import TemplateSpec, run

        mode: Literal["per-request", "worker"] = "per-request" if self.places.worker_script is None else "worker"
        run(
            TemplateSpec(
                pool_fd=self.pool.fd,
                spool_fd=self.pool.spool_fd,
                front_eventfds=tuple(self.pool.eventfds),
                master_eventfd=self.pool.master_eventfd,
                control_fd=control_fd,
                mode=mode,
                document_root=self.places.root,
                script=self.places.script,
                ini=self.settings.ini,
                max_requests=self.settings.max_requests,
                log_format=self.settings.log_format,
                app_base=self.places.app_base,
            )
        )
