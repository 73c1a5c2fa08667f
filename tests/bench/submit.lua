-- Submits the body of a file. Arguments: KEY BODY_FILE [COUNT EVERY PATHS_FILE]
-- With COUNT it ends after as many answers, all of which must be 202, and writes the polling path of every
-- EVERYth one to PATHS_FILE.
require "report"

local function end_after(count, every, paths)
   local file, answers = assert(io.open(paths, "a")), 0
   function response(status, _, body)
      answers = answers + 1
      if status ~= 202 then
         io.stderr:write("a submit was answered ", status, ": ", body, "\n")
         os.exit(1)
      end
      if (answers - 1) % every == 0 then
         file:write(body:match('"polling_url":"%w+://[^/]+([^"]+)"'), "\n")
      end
      if answers == count then
         file:close()
         os.exit(0)  -- wrk itself would sleep until its duration is over
      end
   end
end

function init(args)
   wrk.method = "POST"
   wrk.headers["Ocp-Apim-Subscription-Key"] = args[1]
   wrk.headers["Content-Type"] = "application/json"
   wrk.body = assert(io.open(args[2])):read("*a")
   if args[3] then
      end_after(tonumber(args[3]), tonumber(args[4]), args[5])
   end
end
