#include <iostream>

#include "bridge/commands/commands.h"
#include "bridge/service.h"
#include "storage/root_key.h"

namespace wab::bridge {

int key_new(const std::string& path) {
  std::string message;
  const auto made = storage::create_root_key_file(path, system_random(), message);
  if (!made) {
    std::cerr << "key new: " << message << std::endl;
    return kExitFailed;
  }
  std::cout << path << std::endl;
  return kExitDone;
}

}  // namespace wab::bridge
