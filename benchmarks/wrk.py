"""A list of distinct URLs, each asked for once by `wrk`: a load generator that is no limit to quick servers."""

import re
import signal
import subprocess
import threading
from collections.abc import Sequence

from benchmarks.commands import find_program
from benchmarks.measuring import settled
from benchmarks.results import Measurement
from benchmarks.servers import HOST, Server
from benchmarks.trees import usage

CONNECTIONS = 8
LONGEST_SECONDS = 600
SCRIPT = """
local ffi = require("ffi")
ffi.cdef[[ typedef struct {{ long seconds; long micros; }} moment; int gettimeofday(moment *, void *); ]]
local function now()
  local moment = ffi.new("moment")
  ffi.C.gettimeofday(moment, nil)
  return tonumber(moment.seconds) + tonumber(moment.micros) / 1e6
end
local paths = {{ {paths} }}
local asked, answered, bad, bytes, started = 0, 0, 0, 0, nil
request = function()
  started = started or now()
  asked = math.min(asked + 1, #paths)
  return wrk.format("GET", paths[asked])
end
response = function(status, headers, body)
  answered = answered + 1
  if status ~= 200 or #body == 0 then bad = bad + 1 end
  bytes = bytes + #body
  if answered == #paths then
    io.write(string.format("ALL %d %.6f %d\\n", bad, now() - started, bytes))
    io.flush()
  end
end
done = function(summary, latency, requests)
  for percent = 1, 100 do io.write(string.format("QUANTILE %d\\n", latency:percentile(math.min(percent, 99.999)))) end
end
"""
"""The last paths are asked for again until `wrk` has been told that all answers are there: at most a few."""


def measure_once(server: Server, requests: Sequence[str]) -> Measurement:
    """Raises Missing where there is no wrk, RuntimeError where it does not come to an end."""
    program = find_program("wrk", package="wrk")
    script = server.work / "once.lua"
    script.write_text(SCRIPT.format(paths=", ".join(f'"{path}"' for path in requests)))
    address = f"http://{HOST}:{server.port}"
    options = ["-t", "1", "-c", str(CONNECTIONS), "-d", f"{LONGEST_SECONDS}s", "--timeout", "60s", "-s", str(script)]
    before = settled(server)  # it may still be starting its decoders
    front_before = usage(server.front_roots()).cpu_seconds if server.front_roots() else 0.0
    with subprocess.Popen([str(program), *options, address], stdout=subprocess.PIPE, text=True) as running:
        line = _line_of_the_end(running)
        running.send_signal(signal.SIGINT)  # wrk sleeps until its time is over, but for this
        rest = running.communicate(timeout=60)[0]
    cpu = settled(server) - before
    front = usage(server.front_roots()).cpu_seconds - front_before if server.front_roots() else 0.0
    bad, seconds, byte_count = line.split()[1:]
    return Measurement(
        requests=len(requests),
        failed=int(bad),
        seconds=float(seconds),
        cpu_seconds=cpu,
        front_cpu_seconds=front,
        byte_count=int(byte_count),
        latencies=tuple(int(micros) / 1e6 for micros in re.findall(r"QUANTILE (\d+)", rest)),
    )


def _line_of_the_end(running: "subprocess.Popen[str]") -> str:
    watch = threading.Timer(LONGEST_SECONDS, running.kill)
    watch.start()
    try:
        for line in running.stdout or ():
            if line.startswith("ALL "):
                return line
    finally:
        watch.cancel()
    raise RuntimeError("wrk did not get all answers")
