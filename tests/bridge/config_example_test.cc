// bridge.example.toml explains each key in the words of the table.
#include <gtest/gtest.h>

#include <fstream>

#include "bridge/config.h"

namespace wab::bridge {
namespace {

using Keys = std::vector<std::pair<std::string, std::string>>;  // "section.key", comment above it

Keys read_example() {
  std::ifstream file(WAB_SOURCE_DIR "/bridge/bridge.example.toml");
  Keys out;
  std::string line, section, comment;
  while (std::getline(file, line)) {
    if (line.starts_with("# ")) {
      comment += (comment.empty() ? "" : " ") + line.substr(2);
      continue;
    }
    if (line.starts_with("[")) {
      section = line.substr(1, line.find(']') - 1);
    } else if (!line.empty()) {
      out.emplace_back(section + "." + line.substr(0, line.find(' ')), comment);
    }
    comment.clear();
  }
  return out;
}

TEST(ConfigExample, ExplainsEveryKeyInTheOrderAndWordsOfTheTable) {
  Keys wanted;
  for (const auto& key : config_keys()) wanted.emplace_back(key.name, key.meaning);
  EXPECT_EQ(read_example(), wanted);
}

}  // namespace
}  // namespace wab::bridge
