#include "bridge/commands/completion.h"

#include <CLI/CLI.hpp>
#include <functional>
#include <sstream>
#include <vector>

namespace wab::bridge {
namespace {

struct Word {
  std::string text;
  std::string about;
  bool wants_file = false;
};
struct Level {
  std::string path;  // "session list"; "" is the program itself
  std::vector<Word> commands, options;
};

bool names_a_file(const std::string& option) {
  return option == "--config" || option == "--out" || option.ends_with("-file") ||
         option == "--ca" || option == "--export" || option == "--to" || option == "--from" ||
         option == "--keys" || option == "--keys-to";
}

void collect(const CLI::App& app, const std::string& path, std::vector<Level>& into) {
  Level level;
  level.path = path;
  const auto children = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* child : children) {
    if (!child->get_name().empty()) {
      level.commands.push_back({child->get_name(), child->get_description()});
    }
  }
  // A command may be given what its parents take, too.
  for (const CLI::App* at = &app; at != nullptr; at = at->get_parent()) {
    if (at != &app && !at->get_fallthrough()) break;
    for (const CLI::Option* option : at->get_options()) {
      for (const auto& name : option->get_lnames()) {
        const std::string text = "--" + name;
        level.options.push_back({text, option->get_description(), names_a_file(text)});
      }
    }
  }
  into.push_back(std::move(level));
  for (const CLI::App* child : children) {
    if (!child->get_name().empty()) {
      collect(*child, path.empty() ? child->get_name() : path + " " + child->get_name(), into);
    }
  }
}

std::string joined(const std::vector<Word>& words) {
  std::string out;
  for (const auto& word : words) out += (out.empty() ? "" : " ") + word.text;
  return out;
}

// Descriptions stand in single quotes of three shells: no quote, no bracket, no colon.
std::string plain(std::string text) {
  for (char& c : text) {
    if (c == '\'' || c == '"' || c == '[' || c == ']' || c == ':' || c == '\\') c = ' ';
  }
  return text;
}

std::string bash_script(const std::string& name, const std::string& id,
                        const std::vector<Level>& levels) {
  std::ostringstream out;
  out << "# bash completion for " << name << "\n"
      << id << "() {\n"
      << "  local current previous path word\n"
      << "  current=\"${COMP_WORDS[COMP_CWORD]}\"\n"
      << "  previous=\"${COMP_WORDS[COMP_CWORD-1]}\"\n"
      << "  path=\"\"\n"
      << "  COMPREPLY=()\n"
      << "  case \"$previous\" in\n"
      << "    --config | --out | --ca | --export | --to | --from | --keys | --keys-to | --*-file)\n"
      << "      COMPREPLY=($(compgen -f -- \"$current\"))\n"
      << "      return ;;\n"
      << "  esac\n"
      << "  for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
      << "    case \"$path $word\" in\n";
  for (const auto& level : levels) {
    if (!level.path.empty()) {
      const auto space = level.path.rfind(' ');
      const std::string parent = space == std::string::npos ? "" : level.path.substr(0, space);
      const std::string leaf = level.path.substr(space == std::string::npos ? 0 : space + 1);
      out << "      \"" << parent << " " << leaf << "\") path=\"" << level.path << "\" ;;\n";
    }
  }
  out << "    esac\n"
      << "  done\n"
      << "  case \"$path\" in\n";
  for (const auto& level : levels) {
    out << "    \"" << level.path << "\") COMPREPLY=($(compgen -W \"" << joined(level.commands)
        << (level.commands.empty() ? "" : " ") << joined(level.options)
        << "\" -- \"$current\")) ;;\n";
  }
  out << "  esac\n"
      << "}\n"
      << "complete -F " << id << " " << name << "\n";
  return out.str();
}

std::string zsh_script(const std::string& name, const std::string& id,
                       const std::vector<Level>& levels) {
  std::ostringstream out;
  out << "#compdef " << name << "\n"
      << id << "() {\n"
      << "  local path=\"\" word\n"
      << "  local -a entries\n"
      << "  case \"${words[CURRENT-1]}\" in\n"
      << "    --config|--out|--ca|--export|--to|--from|--keys|--keys-to|--*-file) _files; return "
         ";;\n"
      << "  esac\n"
      << "  for word in ${words[2,CURRENT-1]}; do\n"
      << "    case \"$path $word\" in\n";
  for (const auto& level : levels) {
    if (level.path.empty()) continue;
    const auto space = level.path.rfind(' ');
    const std::string parent = space == std::string::npos ? "" : level.path.substr(0, space);
    const std::string leaf = level.path.substr(space == std::string::npos ? 0 : space + 1);
    out << "      \"" << parent << " " << leaf << "\") path=\"" << level.path << "\" ;;\n";
  }
  out << "    esac\n"
      << "  done\n"
      << "  case \"$path\" in\n";
  for (const auto& level : levels) {
    out << "    \"" << level.path << "\") entries=(";
    for (const auto* words : {&level.commands, &level.options}) {
      for (const auto& word : *words) {
        out << " '" << word.text << ":" << plain(word.about) << "'";
      }
    }
    out << " ) ;;\n";
  }
  out << "  esac\n"
      << "  _describe '" << name << "' entries\n"
      << "}\n"
      << "compdef " << id << " " << name << "\n";
  return out.str();
}

std::string fish_script(const std::string& name, const std::vector<Level>& levels) {
  std::ostringstream out;
  out << "# fish completion for " << name << "\ncomplete -c " << name << " -f\n";
  for (const auto& level : levels) {
    std::string when = "__fish_use_subcommand";
    if (!level.path.empty()) {
      when.clear();
      std::istringstream parts(level.path);
      for (std::string part; parts >> part;) {
        when += (when.empty() ? "" : "; and ") + std::string("__fish_seen_subcommand_from ") + part;
      }
    }
    for (const auto& word : level.commands) {
      out << "complete -c " << name << " -n '" << when << "' -a " << word.text << " -d '"
          << plain(word.about) << "'\n";
    }
    for (const auto& word : level.options) {
      out << "complete -c " << name << " -n '" << when << "' -l " << word.text.substr(2)
          << (word.wants_file ? " -r -F" : "") << " -d '" << plain(word.about) << "'\n";
    }
  }
  return out.str();
}

}  // namespace

std::optional<std::string> completion_script(const CLI::App& root, std::string_view program,
                                             std::string_view shell) {
  std::vector<Level> levels;
  collect(root, "", levels);
  const std::string name(program);
  std::string id = "_" + name;
  for (char& c : id) {
    if (c == '-') c = '_';
  }
  if (shell == "bash") return bash_script(name, id, levels);
  if (shell == "zsh") return zsh_script(name, id, levels);
  if (shell == "fish") return fish_script(name, levels);
  return std::nullopt;
}

}  // namespace wab::bridge
