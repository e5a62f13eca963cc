-- What nginx's workers do with a request: find its app, see whether it may
-- pass, choose an endpoint. Routes live in a shared dictionary that the router
-- feeds over a unix socket; each worker keeps what it has decoded until the
-- dictionary's epoch moves on.
local cjson = require "cjson.safe"
local balancer = require "ngx.balancer"
local bit = require "bit"

local routes = ngx.shared.deis_routes
local down = ngx.shared.deis_down
local var, exit, method = ngx.var, ngx.exit, ngx.req.get_method

local HOLD_DOWN = 1       -- seconds that an endpoint rests after it refused a connection
local MAX_RETRIES = 4     -- further endpoints that one request tries
local MAX_CACHED = 20000  -- hosts that a worker remembers
local BUSY = -3           -- NGX_BUSY: nginx answers 502
local API = "/api"        -- what no app is called

-- What must not be sent twice takes a connection of its own: one that is kept
-- open may be closed by the app at the moment it is used, and then nobody knows
-- whether the request arrived.
local ONCE = {POST = true, PATCH = true, LOCK = true}

local M = {}
local epoch, conf, apps, hosts, cached = -1, nil, {}, {}, 0
local checked -- when refresh was last called

-- refresh forgets what was decoded from an older state of the dictionary.
local function refresh()
  checked = ngx.now()
  local now = routes:get("epoch")
  if now ~= epoch then
    epoch, apps, hosts, cached = now, {}, {}, 0
    conf = now and cjson.decode(routes:get("conf") or "")
    if conf and conf.api_allow then M.prefixes(conf.api_allow) end
  end
end

-- prefixes turns {hex address, bits} into what allowed compares.
function M.prefixes(list)
  for _, p in ipairs(list) do
    local bytes = p[1]:gsub("%x%x", function(h) return string.char(tonumber(h, 16)) end)
    local whole, rest = math.floor(p[2] / 8), p[2] % 8
    p.size, p.whole, p.head = #bytes, whole, bytes:sub(1, whole)
    if rest > 0 then
      p.mask = bit.band(bit.lshift(0xff, 8 - rest), 0xff)
      p.tail = bit.band(bytes:byte(whole + 1), p.mask)
    end
  end
  return list
end

-- allowed tells whether an address, in network order, is in one of the prefixes.
function M.allowed(list, address)
  for _, p in ipairs(list) do
    if p.size == #address and p.head == address:sub(1, p.whole)
      and (not p.mask or bit.band(address:byte(p.whole + 1), p.mask) == p.tail) then
      return true
    end
  end
  return false
end

local function load_app(name)
  local app = apps[name]
  if app then return app end
  local text = routes:get("a:" .. name)
  if not text then return nil end
  app = cjson.decode(text)
  app.name, app.turn = name, math.random(0, 1023)
  for _, p in ipairs(app.peers) do
    p.key = p[1] .. ":" .. p[2]
    p.rests = down:get(p.key)
  end
  if app.allow then M.prefixes(app.allow) end
  apps[name] = app
  return app
end

-- find gives the name of a host's app, or API.
local function find(host)
  local name = hosts[host]
  if name then return name end
  name = routes:get("d:" .. host)
  if not name then
    local label = host:match("^([^.]+)%..")
    if label == conf.subdomain then
      name = API
    elseif label and load_app(label) then
      name = label
    end
  end
  if name then
    if cached >= MAX_CACHED then hosts, cached = {}, 0 end
    hosts[host], cached = name, cached + 1
  end
  return name
end

-- access decides about a request; what it lets through goes to the app's
-- endpoints, or to the API by its own location.
function M.access()
  -- One look in a round of nginx's event loop will do here: balance looks again.
  if ngx.now() ~= checked then refresh() end
  if not conf then return exit(503) end
  local host = var.host
  local name = find(host)
  if not name then
    if var.uri:sub(1, 13) == "/health-check" then return ngx.exec("@health") end
    return exit(404)
  end
  if name == API then
    var.deis_app = conf.subdomain
  else
    var.deis_app = name
  end
  if conf.hsts or conf.force_https then
    if var.deis_scheme == "https" then
      if conf.hsts then var.deis_hsts = conf.hsts end
    elseif conf.force_https then
      return ngx.redirect("https://" .. host .. var.request_uri, 301)
    end
  end
  if name == API then
    if (conf.api_allow or conf.force_allow) and not M.allowed(conf.api_allow or {}, var.binary_remote_addr) then
      return exit(403)
    end
    if not conf.api then return exit(503) end
    return ngx.exec(ONCE[method()] and "@api_once" or "@api")
  end
  local app = load_app(name)
  if not app then return exit(404) end
  if (app.allow or conf.force_allow) and not M.allowed(app.allow or {}, var.binary_remote_addr) then
    return exit(403)
  end
  if #app.peers == 0 then return exit(503) end
  if ONCE[method()] then return ngx.exec("@once") end
end

-- attempts splits one of nginx's lists of what upstreams did. While a further
-- one is being chosen the list ends with a lone colon for it.
local function attempts(list)
  local all = {}
  for word in (list or ""):gmatch("[^, ]+") do
    if word ~= ":" then all[#all + 1] = word end
  end
  return all
end

-- refused remembers that the endpoint which a request tried last took no
-- connection. One whose announcement lapsed is dropped for good: this was the
-- proof that it has gone.
local function refused(app)
  local tried = attempts(var.upstream_addr)
  local key = tried[#tried]
  if not key or attempts(var.upstream_connect_time)[#tried] ~= "-" then return end
  down:set(key, ngx.now() + HOLD_DOWN, HOLD_DOWN)
  routes:incr("epoch", 1) -- all workers look at it anew
  for i, p in ipairs(app.peers) do
    if p.key == key and p[3] then
      table.remove(app.peers, i)
      local peers = {}
      for j, q in ipairs(app.peers) do peers[j] = {q[1], q[2], q[3]} end
      local entry = cjson.decode(routes:get("a:" .. app.name) or "{}")
      entry.peers = peers
      routes:safe_set("a:" .. app.name, cjson.encode(entry))
      down:set("gone " .. app.name .. " " .. key, true)
      return
    end
  end
end

-- choose takes the app's endpoints in turn and passes over those that rest or
-- were tried. If all rest, resting ones are better than none.
local function choose(app, tried)
  local n, resting = #app.peers, nil
  if n == 1 and not tried then return app.peers[1] end
  for _ = 1, n do
    app.turn = app.turn % n + 1
    local p = app.peers[app.turn]
    if not (tried and tried[p.key]) then
      if not p.rests or p.rests < ngx.now() then return p end
      resting = resting or p
    end
  end
  return resting
end

-- balance names the endpoint to connect to. It looks at the dictionary each
-- time, so that an endpoint which was withdrawn gets nothing more, not even by
-- a connection that is kept open.
function M.balance()
  refresh()
  local app = load_app(var.deis_app)
  if not app then return exit(BUSY) end
  local tried
  if balancer.get_last_failure() then
    refused(app)
    tried = {}
    for _, key in ipairs(attempts(var.upstream_addr)) do tried[key] = true end
  elseif #app.peers > 1 then
    balancer.set_more_tries(math.min(#app.peers - 1, MAX_RETRIES))
  end
  -- nginx asks once more after a kept connection turned out to be closed: the
  -- endpoint itself may be well.
  local p = choose(app, tried) or choose(app)
  if not p then return exit(BUSY) end
  if #app.peers > 1 then balancer.set_timeouts(3, nil, nil) end
  local ok, err = balancer.set_current_peer(p[1], p[2])
  if not ok then
    ngx.log(ngx.ERR, "endpoint ", p.key, ": ", err)
    return exit(BUSY)
  end
end

-- balance_api names the controller's address.
function M.balance_api()
  refresh()
  if not conf or not conf.api then return exit(BUSY) end
  balancer.set_current_peer(conf.api[1], conf.api[2])
end

-- failed ends a request that nginx itself has to answer with 502 or 504.
function M.failed()
  local status = ngx.status
  refresh()
  local app = load_app(var.deis_app)
  if app then
    if var.upstream_addr then refused(app) end
    if #app.peers == 0 then status = 503 end
  end
  return exit(status)
end

-- health answers load balancers.
function M.health()
  refresh()
  if not conf or conf.draining then return exit(503) end
  ngx.header["Content-Length"] = 0
  return exit(200)
end

-- sni refuses TLS for hosts that lead nowhere.
function M.sni()
  refresh()
  local name = require("ngx.ssl").server_name()
  if not (conf and name and find(name:lower())) then return exit(ngx.ERROR) end
end

-- init fills an empty dictionary, as after a crash, from the router's file. On
-- a reload the dictionary stands and knows better than the file.
function M.init(path)
  if routes:get("epoch") then return end
  local file = io.open(path)
  if not file then return end
  local state = cjson.decode(file:read("*a") or "")
  file:close()
  if not state then return end
  for key, value in pairs(state.set) do routes:safe_set(key, value) end
  routes:set("seq", state.seq)
  routes:set("epoch", 1)
end

local function body()
  ngx.req.read_body()
  local data = ngx.req.get_body_data()
  if data then return data end
  local file = io.open(ngx.req.get_body_file() or "")
  if not file then return nil end
  data = file:read("*a")
  file:close()
  return data
end

-- feed changes the dictionary: {seq, base, set, del}. Without base it is the
-- whole state; with one that is not where the dictionary stands, 409 asks for
-- the whole. New entries come before old ones go.
function M.feed()
  local change = cjson.decode(body() or "")
  if not change then return exit(400) end
  if change.base and change.base ~= routes:get("seq") then return exit(409) end
  for key, value in pairs(change.set) do
    local ok, err = routes:safe_set(key, value)
    if not ok then
      ngx.log(ngx.ERR, "routes: ", err)
      return exit(507)
    end
  end
  if change.base then
    for _, key in ipairs(change.del) do routes:delete(key) end
  else
    for _, key in ipairs(routes:get_keys(0)) do
      if not change.set[key] and key ~= "seq" and key ~= "epoch" then routes:delete(key) end
    end
  end
  routes:set("seq", change.seq)
  routes:incr("epoch", 1, 0)
  ngx.print("ok")
end

-- gone lists endpoints that were dropped, a line each, and forgets them.
function M.gone()
  for _, key in ipairs(down:get_keys(0)) do
    if key:sub(1, 5) == "gone " then
      ngx.say(key:sub(6))
      down:delete(key)
    end
  end
end

-- state says which configuration this worker runs.
function M.state(id) ngx.print(id) end

return M
