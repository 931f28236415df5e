-- Asks at a constant rate, which wrk by itself does not: each request is due at its own moment, and
-- one that is late is followed by the next at once. The rate is the first argument of the script.
local ffi = require("ffi")
ffi.cdef [[
typedef struct { long tv_sec; long tv_nsec; } depeer_timespec;
int clock_gettime(int clock, depeer_timespec *at);
]]
local t = ffi.new("depeer_timespec")
local function now() -- milliseconds; CLOCK_MONOTONIC
  ffi.C.clock_gettime(1, t)
  return tonumber(t.tv_sec) * 1000 + tonumber(t.tv_nsec) / 1e6
end

-- The board is opened, and looked at again.
local paths = { "/", "/icon.svg", "/api/v1/whoami", "/api/v1/status", "/api/v1/families", "/api/v1/still", "/api/v1/status", "/api/v1/hosters/h0007", "/api/v1/status", "/api/v1/status" }
local step, due, n

function init(args)
  step, n = 1000 / (tonumber(args[1]) or 200), 0
  wrk.headers["Accept-Encoding"] = "gzip"
  faults, refused = 0, 0
end

local threads = {}
function setup(thread) table.insert(threads, thread) end

function delay()
  due = due or now()
  due = due + step
  local wait = due - now()
  return wait > 0 and math.floor(wait) or 0
end

function request()
  n = n + 1
  return wrk.format("GET", paths[n % #paths + 1])
end

function response(status)
  if status >= 500 then faults = faults + 1 elseif status >= 400 then refused = refused + 1 end
end

function done(summary, latency)
  local faults, refused = 0, 0
  for _, thread in ipairs(threads) do
    faults, refused = faults + thread:get("faults"), refused + thread:get("refused")
  end
  local e = summary.errors
  print(string.format("  asked %.0f times a second: answers p50 %.1f p99 %.1f worst %.1f ms, %d refused", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000, refused))
  if faults + e.connect + e.read + e.write + e.timeout > 0 then
    print(string.format("  faults: %d answers of 5xx, %d connections, %d reads, %d writes, %d timeouts", faults, e.connect, e.read, e.write, e.timeout))
  end
end
