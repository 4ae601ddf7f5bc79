"""The check for what a test leaves behind finds what was planted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONFTEST = Path(__file__).parents[1] / "conftest.py"
PLANTED = {
    "descriptor": "kept.append(open('/dev/null'))",
    "thread": "thread = threading.Thread(target=gate.wait, daemon=True); thread.start()",
    "greenlet": "kept.append(gevent.spawn(gevent.sleep, 60))",
    "permit": "stream = opened(); stream._window.acquire(); stream.lose(ConnectionError())",
    "call": "kept.append(opened().send(1))",
    "nothing": "stream = opened(); stream.close()",
}
TESTS = '''
import threading
import gevent
import razorg

kept, gate = [], threading.Event()

class Never(razorg.Dispatch):
    def dispatch(self, request, respond):
        kept.append(respond)

server = razorg.RpcServer("memory://planted", dispatch=Never())
server.start()

def opened():
    stream = razorg.ClientStream("memory://planted")
    kept.append(stream)
    return stream
'''


def test_each_planted_leak_is_found(tmp_path: Path) -> None:
    (tmp_path / "io").mkdir()
    text = CONFTEST.read_text()
    assert "SETTLE_SECONDS = 2.0" in text
    (tmp_path / "conftest.py").write_text(text.replace("SETTLE_SECONDS = 2.0", "SETTLE_SECONDS = 0.1"))
    body = "".join(f"\ndef test_{name}():\n    {code}\n" for name, code in PLANTED.items())
    (tmp_path / "io" / "test_planted.py").write_text(TESTS + body)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
    )
    print(run.stdout[-6000:])
    for name in PLANTED:
        failed = f"ERROR io/test_planted.py::test_{name} - Failed: left behind" in run.stdout
        assert failed == (name not in ("nothing",)), name
