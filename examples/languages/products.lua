local ffi = require 'ffi'

-- The header has two lines that begin with #, for PHP, and else only what LuaJIT reads.
local header = assert(io.open(os.getenv('TOKENMGR_HEADER') or '/usr/local/include/tokenmgr-ffi.h'))
ffi.cdef((header:read('*a'):gsub('#[^\n]*', '')))
header:close()
local c = ffi.load(os.getenv('TOKENMGR_LIBRARY') or 'libtokenmgr.so.0')

-- Calls function(..., err), and has what it made freed when it is no longer used.
local function made(free, make, ...)
  local err = ffi.new('tm_error *[1]')
  local arguments = {...}
  arguments[select('#', ...) + 1] = err
  local handle = make(unpack(arguments, 1, select('#', ...) + 1))
  if handle ~= nil then return ffi.gc(handle, free) end
  local message = ffi.string(c.tm_error_message(err[0]))
  c.tm_error_free(err[0])
  error(message, 0)
end

local tm = made(c.tm_free, c.tm_new, nil, nil, nil, nil) -- host and credentials from the environment
local response = made(c.tm_response_free, c.tm_request, tm, 'GET', '/api/v1/products', nil, 0, nil)
local refused = c.tm_response_error(response) -- a 4xx or 5xx: borrowed, never freed
if refused ~= nil then error(ffi.string(c.tm_error_message(refused)), 0) end
print(ffi.string(c.tm_response_body(response), c.tm_response_body_len(response)))
