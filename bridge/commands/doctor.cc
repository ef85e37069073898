#include <iostream>

#include "bridge/commands/commands.h"
#include "bridge/parts.h"
#include "bridge/service.h"
#include "session/wire/url.h"

namespace wab::bridge {

int doctor(const Config& config) {
  int troubles = 0;
  const auto say = [&](bool good, const std::string& line) {
    std::cout << (good ? "ok    " : "FAIL  ") << line << std::endl;
    if (!good) ++troubles;
  };
  say(parse_host_port(config.http.listen).has_value(), "http.listen " + config.http.listen);
  say(parse_host_port(config.ops.listen).has_value(), "ops.listen " + config.ops.listen);
  say(wire::parse_url(config.whatsapp.url).has_value(), "whatsapp.url " + config.whatsapp.url);
  BlockingPool disk("disk", 1, 16);
  const auto store = open_store(config, disk);
  say(store.has_value(),
      store ? "storage.path " + config.storage.path + " opens with this root key" : store.error());
  return troubles == 0 ? kExitDone : kExitFailed;
}

}  // namespace wab::bridge
