"""What is changed in Redis in one step. The first argument of each is the prefix of all names."""

_DROP = """
local prefix = ARGV[1]
local function drop(member)
  local image, field = string.match(member, '^(.-)/(.+)$')
  local size = redis.call('HGET', prefix .. 'image:' .. image, field)
  redis.call('DEL', prefix .. 'entry:' .. member)
  redis.call('ZREM', prefix .. 'used', member)
  if not size then return 0, 0 end
  redis.call('HDEL', prefix .. 'image:' .. image, field)
  redis.call('HINCRBY', prefix .. 'held', 'bytes', -size)
  redis.call('HINCRBY', prefix .. 'held', 'entries', -1)
  return tonumber(size), 1
end
"""

DROP = (
    _DROP
    + """
local bytes, entries = 0, 0
for number = 2, #ARGV do
  local size, count = drop(ARGV[number])
  bytes = bytes + size
  entries = entries + count
end
return {bytes, entries}
"""
)
"""Arguments: members. Returns the bytes and entries that were freed."""

PUT = (
    _DROP
    + """
local member, data, seconds = ARGV[2], ARGV[3], ARGV[4]
local budgets = {tonumber(ARGV[5]), tonumber(ARGV[6])}
local image, field = string.match(member, '^(.-)/(.+)$')
local time = redis.call('TIME')
local now = time[1] .. '.' .. string.format('%06d', time[2])
redis.call('SET', prefix .. 'entry:' .. member, '', 'EX', 1)
drop(member)
redis.call('SET', prefix .. 'entry:' .. member, data, 'EX', seconds)
redis.call('HSET', prefix .. 'image:' .. image, field, #data)
redis.call('ZADD', prefix .. 'used', now, member)
local bytes = redis.call('HINCRBY', prefix .. 'held', 'bytes', #data)
local entries = redis.call('HINCRBY', prefix .. 'held', 'entries', 1)
local share = 1
for _ = 1, 1000 do
  if bytes <= share * budgets[1] and entries <= share * budgets[2] then break end
  share = 0.95
  local two = redis.call('ZRANGE', prefix .. 'used', 0, 1)
  local oldest = two[1] == member and two[2] or two[1]
  if not oldest or oldest == member then break end
  local size, count = drop(oldest)
  bytes = bytes - size
  entries = entries - count
end
return {bytes, entries}
"""
)
"""Arguments: member, data, seconds to stay, budgets of bytes and entries. Returns what is held then.

Where the budget is exceeded, room is made for some more. The first SET fails before anything is changed where Redis is
full.
"""

FIND = """
local prefix, member, seconds, touch = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local data = redis.call('GET', prefix .. 'entry:' .. member)
if data then
  local now = tonumber(redis.call('TIME')[1])
  local used = tonumber(redis.call('ZSCORE', prefix .. 'used', member) or now)
  if now - used > touch then
    redis.pcall('ZADD', prefix .. 'used', 'XX', now, member)
    redis.call('EXPIRE', prefix .. 'entry:' .. member, seconds)
  end
end
return data
"""
"""Arguments: member, seconds to stay, seconds after which a use is noted. Returns the data or nothing."""
