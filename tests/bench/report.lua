-- What a run measured, as one line for load.py: requests, microseconds, p50, p99, errors. Times in microseconds.
function done(summary, latency)
   local seen = summary.errors
   local errors = seen.connect + seen.read + seen.write + seen.status + seen.timeout
   io.write(string.format("MEASURED %d %d %d %d %d\n", summary.requests, summary.duration,
      latency:percentile(50), latency:percentile(99), errors))
end
