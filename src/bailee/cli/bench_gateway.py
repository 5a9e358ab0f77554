"""Measuring one gateway worker beside nginx, under wrk.

The worker has the first core that this process may use, everything else the last one: keeper,
clerk, database, load and mock upstream. Ratios are of one run. `gateway_cpu_us_per_request_…` is
the processor time, user and system, of the worker's process over the requests it answered: on a
machine with other work it says more than the requests per second.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from bailee.cli.mock_upstream import chat_answer, start_mock_upstream
from bailee.cli.ports import free_port
from bailee.kernel.errors import InvalidInput, Unavailable

Tell = Callable[[str], None]

_QUESTION: Final = " ".join(
    f"Sentence {number} of a question about records." for number in range(20)
)
_BODY: Final = (
    '{"model":"mock","messages":[{"role":"system","content":"You keep what you are given for a '
    'stated purpose and a stated time, and you say so."},{"role":"user","content":"'
    + _QUESTION
    + '"}]}'
)
_LATENCY: Final = re.compile(r"^\s+(50|99)%\s+([\d.]+)(us|ms|s)\s*$", re.MULTILINE)
_REQUESTS: Final = re.compile(r"^\s+(\d+) requests in ", re.MULTILINE)
_RATE: Final = re.compile(r"^Requests/sec:\s+([\d.]+)$", re.MULTILINE)
_ERRORS: Final = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)")
_UNITS_MS: Final = {"us": 0.001, "ms": 1.0, "s": 1000.0}
_START_TIMEOUT_S: Final = 20
_PEER_TIMEOUT_S: Final = 60
_PEER_KEY: Final = "sk-benchmark-of-bailee-on-loopback"
"""LiteLLM refuses to start without one, and anything shorter than it thinks is safe."""


class Load(NamedTuple):
    """What wrk saw."""

    requests: int
    rps: float
    p50_ms: float
    p99_ms: float
    errors: str


class _Worker(NamedTuple):
    port: int
    process_id: int

    def cpu_s(self) -> float:
        """The processor time of the process so far (proc_pid_stat(5), fields 14 and 15)."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def serve_upstream(port: int) -> None:
    """Run the mock upstream until killed."""
    import uvloop

    async def run() -> None:
        server, _ = await start_mock_upstream(port)
        print("ready", flush=True)
        await server.serve_forever()

    uvloop.run(run())


def measure_gateway(seconds: int, connections: int, tell: Tell) -> dict[str, Any]:
    """All figures of `bailee bench gateway`. Raises InvalidInput when wrk is missing."""
    _program("wrk")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise InvalidInput("this measurement needs two cores: one for the gateway alone")
    measured, rest = cores[0], cores[-1]
    os.sched_setaffinity(0, {rest})
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bailee-bench-")))
        upstream_port = free_port()
        stack.enter_context(_upstream(folder, rest, upstream_port))
        tell("starting an installation")
        keys = stack.enter_context(_installation(folder / "data", upstream_port))
        bench = _Bench(folder, seconds, connections, measured, rest, upstream_port)
        tell("plain and durable")
        with bench.worker("durable") as worker:
            bench.load(worker.port, keys.held, seconds=1)
            durable, cpu_us_durable = bench.load_worker(worker, keys.held)
            plain, cpu_us_plain = bench.load_worker(worker, keys.zero_retention)
        tell("sealed, not synced")
        with bench.worker("sealed") as worker:
            bench.load(worker.port, keys.held, seconds=1)
            sealed, cpu_us_sealed = bench.load_worker(worker, keys.held)
        figures: dict[str, Any] = {
            "connections": connections,
            "body_bytes": len(_BODY),
            "rps_plain": round(plain.rps),
            "rps_sealed": round(sealed.rps),
            "rps_durable": round(durable.rps),
            "gateway_cpu_us_per_request_plain": cpu_us_plain,
            "gateway_cpu_us_per_request_sealed": cpu_us_sealed,
            "gateway_cpu_us_per_request_durable": cpu_us_durable,
            "p50_ms": durable.p50_ms,
            "p99_ms": durable.p99_ms,
            "errors": durable.errors or sealed.errors or plain.errors,
        }
        tell("peers")
        figures |= bench.peers(durable.rps)
    return figures


class _Bench(NamedTuple):
    folder: Path
    seconds: int
    connections: int
    measured: int
    rest: int
    upstream_port: int

    @contextmanager
    def worker(self, mode: str) -> Iterator[_Worker]:
        """A gateway worker on the measured core."""
        port = free_port()
        options = {
            "--data": self.folder / "data",
            "--port": port,
            "--upstream-port": self.upstream_port,
            "--mode": mode,
        }
        words = [str(word) for option in options.items() for word in option]
        with _child(self.measured, "bench", "worker", *words) as process_id:
            yield _Worker(port, process_id)

    def load_worker(self, worker: _Worker, key: str) -> tuple[Load, float]:
        """Run wrk; with the processor time that a request took the worker, in microseconds."""
        before_s = worker.cpu_s()
        load = self.load(worker.port, key)
        return load, round((worker.cpu_s() - before_s) * 1e6 / max(1, load.requests), 1)

    def load(self, port: int, key: str, seconds: int | None = None) -> Load:
        """Run wrk."""
        script = self.folder / "load.lua"
        script.write_text(
            'wrk.method = "POST"\n'
            f"wrk.body = [[{_BODY}]]\n"
            'wrk.headers["content-type"] = "application/json"\n'
            f'wrk.headers["authorization"] = "Bearer {key}"\n'
        )
        run = subprocess.run(
            [
                _program("wrk"),
                "-t1",
                f"-c{self.connections}",
                f"-d{seconds or self.seconds}s",
                "--latency",
                "-s",
                str(script),
                f"http://127.0.0.1:{port}/v1/chat/completions",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return _parsed(run.stdout)

    def peers(self, rps: float) -> dict[str, Any]:
        """nginx, and LiteLLM if it is installed, under the same load."""
        figures: dict[str, Any] = {}
        nginx = _nginx_program()
        if nginx is not None:
            port = free_port()
            upstream = (
                f"upstream mock {{ server 127.0.0.1:{self.upstream_port}; keepalive 512; "
                "keepalive_requests 100000000; }"
            )
            location = (
                'proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";'
            )
            folder = self.folder / "peer"
            with _nginx(nginx, folder, self.measured, port, location, upstream):
                proxied = self.load(port, "none")
            figures["rps_nginx"] = round(proxied.rps)
            figures["ratio_nginx"] = round(rps / proxied.rps, 3)
        litellm = shutil.which("litellm")
        if litellm is not None:
            port = free_port()
            with _litellm(litellm, self.folder, self.measured, port, self.upstream_port):
                proxied = self.load(port, _PEER_KEY)
            figures["rps_litellm"] = round(proxied.rps)
            figures["ratio_litellm"] = round(rps / proxied.rps, 1)
        return figures


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        raise InvalidInput(f"{name} is missing; on Debian: apt-get install wrk nginx-light")
    return found


def _on(core: int) -> list[str]:
    return [_program("taskset"), "-c", str(core)]


def _parsed(output: str) -> Load:
    rate, requests = _RATE.search(output), _REQUESTS.search(output)
    latencies = {
        share: float(value) * _UNITS_MS[unit] for share, value, unit in _LATENCY.findall(output)
    }
    if rate is None or requests is None or len(latencies) < 2:
        raise Unavailable("wrk printed no figures; run it by hand to see why")
    errors = _ERRORS.search(output)
    return Load(
        int(requests[1]),
        float(rate[1]),
        round(latencies["50"], 2),
        round(latencies["99"], 2),
        errors[0] if errors else "",
    )


@contextmanager
def _installation(data: Path, upstream_port: int) -> Iterator[Any]:
    """Database, keeper and clerk; gives the keys to measure with."""
    from bailee.cli.installation import FOLDERS
    from bailee.wiring import prepare
    from bailee.wiring.bench import bench_settings, make_keys

    settings = bench_settings(data, upstream_port)
    for part in ("", *FOLDERS):
        (data / part).mkdir(mode=0o700, parents=True, exist_ok=True)
    prepared = prepare(settings, lambda _line: None)
    core = min(os.sched_getaffinity(0))
    off = ("model.enabled=false", "embeddings.enabled=false", "moderation.enabled=false")
    options = ("--data", str(data), *(part for name in off for part in ("--set", name)))
    try:
        with (
            _child(core, "keeper", *options, ready_file=data / "run" / "keeper.ready"),
            _child(core, "clerk", *options, ready_file=data / "run" / "clerk.ready"),
        ):
            yield asyncio.run(make_keys(settings))
    finally:
        prepared.close()


@contextmanager
def _child(core: int, *command: str, ready_file: Path | None = None) -> Iterator[int]:
    """A `bailee` process on one core, until the end of the block; begins when it is ready.

    Gives its process id.
    """
    process = subprocess.Popen(
        [*_on(core), sys.executable, "-m", "bailee", *command],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        _await_ready(process, ready_file)
        yield process.pid
    finally:
        process.terminate()
        process.communicate()


def _await_ready(process: "subprocess.Popen[str]", ready_file: Path | None) -> None:
    from bailee.drivers.system import SystemClock

    clock = SystemClock()
    if ready_file is None and process.stdout is not None:
        for line in process.stdout:
            if line == "ready\n":
                return
        raise Unavailable("a process of the measurement did not start")
    until = clock.monotonic_s() + _START_TIMEOUT_S
    while ready_file is not None and not ready_file.exists():
        if process.poll() is not None or clock.monotonic_s() > until:
            raise Unavailable("a process of the measurement did not start")
        asyncio.run(clock.sleep_s(0.02))


def _nginx_program() -> str | None:
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@contextmanager
def _upstream(folder: Path, core: int, port: int) -> Iterator[None]:
    """The mock upstream: nginx with a fixed answer where it is installed, else our own."""
    nginx = _nginx_program()
    if nginx is None:
        with _child(core, "bench", "upstream", "--port", str(port)):
            yield
        return
    answer = chat_answer().decode()
    location = f"default_type application/json; return 200 '{answer}';"
    with _nginx(nginx, folder / "upstream", core, port, location):
        yield


@contextmanager
def _nginx(
    program: str, folder: Path, core: int, port: int, location: str, upstream: str = ""
) -> Iterator[None]:
    folder.mkdir()
    configuration = folder / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""
    configuration.write_text(
        f"""{user} daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log /dev/null;
events {{ worker_connections 8192; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000;
  {upstream}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location / {{ {location} }}
  }}
}}
"""
    )
    with _peer([*_on(core), program, "-c", str(configuration)], port):
        yield


@contextmanager
def _litellm(
    program: str, folder: Path, core: int, port: int, upstream_port: int
) -> Iterator[None]:
    configuration = folder / "litellm.yaml"
    configuration.write_text(
        f"""model_list:
  - model_name: mock
    litellm_params: {{model: openai/mock, api_base: "http://127.0.0.1:{upstream_port}/v1",
      api_key: none}}
general_settings: {{master_key: {_PEER_KEY}}}
"""
    )
    command = [*_on(core), program, "--config", str(configuration)]
    with _peer([*command, "--port", str(port), "--num_workers", "1"], port):
        yield


@contextmanager
def _peer(command: list[str], port: int) -> Iterator[None]:
    import socket

    from bailee.drivers.system import SystemClock

    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    clock = SystemClock()
    until = clock.monotonic_s() + _PEER_TIMEOUT_S
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if process.poll() is not None or clock.monotonic_s() > until:
                    raise Unavailable(f"{command[3]} did not start") from None
                asyncio.run(clock.sleep_s(0.05))
        yield
    finally:
        process.terminate()
        process.wait()
