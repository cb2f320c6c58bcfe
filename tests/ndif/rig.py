"""A real NDIF on loopback for the remote tests: its own environment, its queue, store, keys, cluster and API.

    python tests/ndif/rig.py server     # once, minutes: the server's environment, which needs nothing of this project
    python tests/ndif/rig.py install    # that, and its models
    python tests/ndif/rig.py start      # about 30 s
    python tests/ndif/rig.py stop
    python tests/ndif/rig.py hub        # where the client's copy of the models is, for HF_HOME

The server's environment must not hold strace_widgets: what was not made to travel would import there, and the fault
would go unseen. The keys of the public service's database are checked here too, so that requests run as a stranger's
do: in a sandbox.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

HERE = Path(__file__).parent
ROOT = Path(os.environ.get("STRACE_NDIF_ROOT") or Path.home() / ".cache" / "strace_widgets" / "ndif")
VENV, HUB, RUN, LOGS = (ROOT / name for name in ("venv", "hub", "run", "logs"))
CLIENT_HUB = ROOT / "client-hub"
"""The client's cache holds what the server's does, and one model that is not served."""
DATA = Path(tempfile.gettempdir()) / "strace-rig-postgres"  # its user cannot reach into a home
PYTHON = VENV / "bin" / "python"
URL = "http://127.0.0.1:20800"
KEY = "0b1cd9ae-6a1e-4c9b-9d3a-2f7a4e5b6c7d"
"""A stranger's: its requests run in a sandbox, which has no weights, as most do on the public service."""
TRUSTED_KEY = "5e2f7c41-93b8-4d0a-8a65-1c7e9b3d2f48"
"""Its requests run in the model's own process."""
SERVICES = ("postgres", "redis", "store", "ray", "controller", "api")
SECONDS_TO_START = 120


def environment(**more: str) -> dict[str, str]:
    """Return what every service is started with."""
    return {
        **os.environ,
        "PATH": f"{VENV / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(HERE / "server"),
        "STRACE_RIG": str(ROOT),  # marks processes as ours, the cluster's own children too
        "HF_HOME": str(HUB),
        "HF_HUB_OFFLINE": "1",
        "NDIF_HOME": str(ROOT / "home"),
        "NDIF_REDIS_URL": "redis://127.0.0.1:20379",
        "NDIF_OBJECT_STORE_URL": "http://127.0.0.1:20900",
        "NDIF_POSTGRES_URL": "postgresql://ndif@127.0.0.1:20432/keys",
        "NDIF_RAY_ADDRESS": "ray://127.0.0.2:20001",
        "NDIF_RAY_HEAD_PORT": "20385",
        "NDIF_RAY_DASHBOARD_PORT": "20265",
        "NDIF_API_PORT": "20800",
        "NDIF_API_URL": URL,
        "NDIF_DEFAULT_MODEL_ACTOR_CLASS": "cpu_actors.CPUSandboxActor",
        "NDIF_CONTROLLER_IMPORT_PATH": "cpu_actors.CPUControllerActor",
        "NDIF_DEFAULT_DTYPE": "float32",
        "NDIF_DEFAULT_PADDING_BIAS": "0",
        "NDIF_MINIMUM_DEPLOYMENT_TIME_SECONDS": "0",
        "NDIF_SANDBOX_POOL_SIZE": "1",
        "NDIF_STATUS_TTL_S": "2",  # tests wait until it says what has changed
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "RAY_AUTH_MODE": "disabled",  # else it asks for the token that another Ray has left in the home folder
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_DISABLE_IMPORT_WARNING": "1",
        "RAY_worker_niceness": "0",  # a busy machine would starve them
        "GRPC_ENABLE_FORK_SUPPORT": "0",  # else what Ray forks for a second client may hang, for half a minute
        "OMP_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        **more,
    }


def server() -> None:
    """Make the server's environment; one that is there already is left as it is."""
    missing = [name for name in ("redis-server", "initdb") if not found(name)]
    if missing:
        command("apt-get", "update", "-q")
        command("apt-get", "install", "-y", "-q", "--no-install-recommends", "redis-server", "postgresql")
    marker = ROOT / "installed"
    wanted = (HERE / "server" / "requirements.txt").read_text()
    if not marker.exists() or marker.read_text() != wanted:
        ROOT.mkdir(parents=True, exist_ok=True)
        command(sys.executable, "-m", "venv", str(VENV))
        pip = (str(PYTHON), "-m", "pip", "install", "-q", "--no-compile", "--disable-pip-version-check")
        torch = next(line for line in wanted.splitlines() if line.startswith("torch=="))
        command(*pip, torch)  # by itself and first: a looser wish would bring another build
        command(*pip, "-r", str(HERE / "server" / "requirements.txt"))
        # It declares a newer Python than it uses.
        command(*pip, "--no-deps", "--ignore-requires-python", "ndif==0.1.2")
        marker.write_text(wanted)


def install() -> None:
    """Make the server's environment and its models; what is there already is left as it is."""
    from strace_widgets.model.shipped.models import locate

    server()
    models = environment(STRACE_DEFAULT_MODEL=locate())
    command(str(PYTHON), str(HERE / "server" / "make_models.py"), str(HUB / "hub"), env=models)
    (CLIENT_HUB / "hub").mkdir(parents=True, exist_ok=True)
    for folder in (HUB / "hub").glob("models--*"):
        for name in (folder.name, *(["models--loopback--tiny-unserved"] if folder.name.endswith("llama") else [])):
            link = CLIENT_HUB / "hub" / name
            if not link.exists():
                link.symlink_to(folder)


def start() -> None:
    """Start every service, each once the one before it answers."""
    for folder in (RUN, LOGS, ROOT / "home"):
        folder.mkdir(parents=True, exist_ok=True)
    for service in SERVICES:
        start_one(service)
    print(f"NDIF is up on {URL}", flush=True)


def start_one(service: str, **more: str) -> None:
    """Start one service and wait until it answers."""
    env = environment(**more)
    if service == "postgres":
        start_postgres(env)
    elif service == "redis":
        spawn(
            service,
            env,
            str(found("redis-server")),
            *["--bind", "127.0.0.1", "--port", "20379", "--daemonize", "no", "--save"],
            "",
        )
        until(lambda: b"PONG" in answer_on(20379, b"PING\r\n"), service)
    elif service == "store":
        spawn(service, env, "moto_server", "-H", "127.0.0.1", "-p", "20900")
        until(lambda: responds("http://127.0.0.1:20900/"), service)
    elif service == "ray":
        # 127.0.0.2, because Ray takes 127.0.0.1 to mean the machine's own address.
        command(
            *[
                "ray",
                "start",
                "--head",
                "--node-ip-address=127.0.0.2",
                "--port=20385",
                "--ray-client-server-port=20001",
            ],
            *["--num-cpus=4", "--num-gpus=1", "--object-store-memory=150000000", "--dashboard-host=127.0.0.1"],
            *["--dashboard-port=20265", "--dashboard-agent-grpc-port=20366", "--metrics-export-port=20080"],
            '--resources={"head":10,"cuda_memory_bytes":8000000000,"cpu_memory_bytes":8000000000}',
            f"--temp-dir={ROOT / 'ray'}",
            "--disable-usage-stats",
            env=env,
            log=LOGS / "ray.log",
        )
    elif service == "controller":
        controller = "ndif.services.ray.deployments.controller.controller"
        command(
            str(PYTHON), "-m", controller, env=env | {"RAY_ADDRESS": "127.0.0.2:20385"}, log=LOGS / "controller.log"
        )
    elif service == "api":
        # The flag of the process before it would say that this one is connected, until it takes the flag down itself.
        answer_on(20379, b"DEL ray:connected\r\n")
        arguments = "--config python:ndif.services.api.gunicorn_conf --bind 127.0.0.1:20800 ndif.services.api.app:app"
        spawn(service, env | {"NDIF_SERVICE": "api"}, "gunicorn", *arguments.split())
        until(lambda: responds(f"{URL}/connected"), service)


def start_postgres(env: dict[str, str]) -> None:
    """Start a database with one key in it; it refuses to run as root, so root hands it to its own user."""
    binaries = found("initdb").parent
    shutil.rmtree(DATA, ignore_errors=True)
    DATA.mkdir()
    as_user = ("runuser", "-u", "postgres", "--") if os.getuid() == 0 else ()
    if as_user:
        shutil.chown(DATA, "postgres")
    command(*as_user, str(binaries / "initdb"), "-D", str(DATA), "-U", "ndif", "-A", "trust", log=LOGS / "initdb.log")
    arguments = ["-h", "127.0.0.1", "-p", "20432", "-c", "fsync=off", "-c", "unix_socket_directories="]
    spawn("postgres", env, *as_user, str(binaries / "postgres"), "-D", str(DATA), *arguments)
    psql = (str(binaries / "psql"), "-h", "127.0.0.1", "-p", "20432", "-U", "ndif", "-q", "-v", "ON_ERROR_STOP=1")
    ready = (str(binaries / "pg_isready"), "-h", "127.0.0.1", "-p", "20432")
    until(lambda: subprocess.run(ready, capture_output=True, check=False).returncode == 0, "postgres")
    command(*psql, "-d", "postgres", "-c", "CREATE DATABASE keys")
    command(
        *psql, "-d", "keys", "-v", f"key={KEY}", "-v", f"trusted={TRUSTED_KEY}", "-f", str(HERE / "server" / "keys.sql")
    )


def stop() -> None:
    """End every process that was started here, by its id; the cluster's children carry our mark."""
    for service in reversed(SERVICES):
        stop_one(service)
    for how in (signal.SIGTERM, signal.SIGKILL):
        for process in ours():
            kill(process, how)
        deadline = time.monotonic() + 5
        while ours() and time.monotonic() < deadline:
            time.sleep(0.2)
    print("stopped", flush=True)


def stop_one(service: str, how: int = signal.SIGTERM) -> None:
    """End one service, with the processes that it started."""
    file = RUN / f"{service}.pid"
    if not file.exists():
        return
    group = int(file.read_text())
    for signal_now in (how, signal.SIGKILL):
        try:
            os.killpg(group, signal_now)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + 5
        while group_lives(group) and time.monotonic() < deadline:
            time.sleep(0.1)
    file.unlink()


def served() -> bool:
    """Tell whether the server is up."""
    return responds(f"{URL}/connected")


# Processes.


def spawn(service: str, env: dict[str, str], *arguments: str) -> None:
    """Start a process in a group of its own and note its id."""
    with (LOGS / f"{service}.log").open("a") as log:
        process = subprocess.Popen(arguments, env=env, stdout=log, stderr=log, start_new_session=True, cwd="/")
    (RUN / f"{service}.pid").write_text(str(process.pid))


def command(*arguments: str, env: dict[str, str] | None = None, log: Path | None = None) -> None:
    """Run a command to its end; on a failure, say where its words are."""
    target = log.open("a") if log else None
    # Ray's processes inherit the log, and would keep a pipe open.
    subprocess.run(arguments, env=env, stdout=target, stderr=target, stdin=subprocess.DEVNULL, check=True, cwd="/")


def ours() -> list[int]:
    """Return the processes that carry our mark in their environment."""
    mark = f"STRACE_RIG={ROOT}".encode()
    carrying = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = mark in (folder / "environ").read_bytes().split(b"\0")
            alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            continue
        if marked and alive and int(folder.name) != os.getpid():
            carrying.append(int(folder.name))
    return carrying


def kill(process: int, how: int) -> None:
    """Signal a process that may be gone."""
    try:
        os.kill(process, how)
    except ProcessLookupError:
        return


def group_lives(group: int) -> bool:
    """Tell whether a process group has a member that is not a zombie."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[2]) == group:
            return True
    return False


def found(program: str) -> Path | None:
    """Return where a program is; Debian keeps PostgreSQL's beside the path."""
    beside = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    here = shutil.which(program)
    return beside[-1] if beside else Path(here) if here else None


def responds(address: str) -> bool:
    """Tell whether an address answers with success."""
    try:
        with urllib.request.urlopen(address, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def answer_on(port: int, question: bytes) -> bytes:
    """Return what a port of this machine says to some bytes."""
    import socket

    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(question)
            return connection.recv(64)
    except OSError:
        return b""


def until(holds: object, service: str) -> None:
    """Wait until something holds, or say which service did not come up."""
    deadline = time.monotonic() + SECONDS_TO_START
    while not holds():  # type: ignore[operator]
        if time.monotonic() > deadline:
            raise SystemExit(f"{service} did not come up in {SECONDS_TO_START} s; its log is {LOGS / service}.log")
        time.sleep(0.2)


if __name__ == "__main__":
    steps = {"server": server, "install": install, "start": start, "stop": stop, "hub": lambda: print(CLIENT_HUB)}
    steps[sys.argv[1]]()
