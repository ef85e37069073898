// Completion scripts for bash, zsh and fish, written from the command line's own tree, so that no
// command is forgotten.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace CLI {
class App;
}

namespace wab::bridge {

// Nothing for a shell that is not known.
std::optional<std::string> completion_script(const CLI::App& root, std::string_view program,
                                             std::string_view shell);

}  // namespace wab::bridge
