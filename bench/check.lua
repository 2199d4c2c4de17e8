-- wrk's script: send one request over and over, judge every answer, print the figures as one line of JSON.
--
--   wrk ... -s check.lua URL -- EXPECTED [BODY MEDIA_TYPE]
--
-- EXPECTED is a file with the only right body; "-" judges no body, for documents so large that looking at
-- them would cost more than serving them (wrk still counts bytes and bad statuses). With BODY, a file, it is a POST.

local threads = {}

local function contents(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function setup(thread)
  table.insert(threads, thread)
end

function init(args)
  wrong = 0
  if args[2] then
    wrk.method = "POST"
    wrk.body = contents(args[2])
    wrk.headers["Content-Type"] = args[3]
  end
  if args[1] ~= "-" then
    local expected = contents(args[1])
    response = function(status, _, body)
      if status ~= 200 or body ~= expected then
        wrong = wrong + 1
      end
    end
  end
end

function done(summary, latency, _)
  local wrong_answers = 0
  for _, thread in ipairs(threads) do
    wrong_answers = wrong_answers + thread:get("wrong")
  end
  local e = summary.errors
  io.write(string.format(
    '\nbench: {"requests": %d, "duration_us": %d, "bytes": %d, "wrong": %d, "bad_status": %d, '
      .. '"connect": %d, "read": %d, "write": %d, "timeout": %d, "p50_us": %d, "p99_us": %d, "max_us": %d}\n',
    summary.requests, summary.duration, summary.bytes, wrong_answers, e.status,
    e.connect, e.read, e.write, e.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end
