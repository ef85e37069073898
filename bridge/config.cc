#include "bridge/config.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include "bridge/config_check.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

extern char** environ;  // POSIX

namespace wab::bridge {
namespace {

using Failure = std::optional<std::string>;

std::string trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

Texts split(std::string_view text) {
  Texts out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    auto part = trimmed(text.substr(0, comma));
    if (!part.empty()) out.push_back(std::move(part));
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

std::string complaint(const ConfigKey& key, std::string_view what) {
  return std::string(key.name) + ": " + std::string(what);
}

Failure set_list(Config& config, const ConfigKey& key, Texts values) {
  for (const auto& value : values) {
    if (const char* fix = fix_for(key.check, value)) {
      return complaint(key, "\"" + value + "\" is not valid; " + fix);
    }
  }
  std::get<Texts& (*)(Config&)>(key.slot)(config) = std::move(values);
  return std::nullopt;
}

// From the environment's form, or a default.
Failure set_text(Config& config, const ConfigKey& key, std::string_view text) {
  if (auto* slot = std::get_if<std::string& (*)(Config&)>(&key.slot)) {
    std::string value(text);
    const char* fix = value.empty() && key.preset.empty() ? nullptr : fix_for(key.check, value);
    if (fix) return complaint(key, "\"" + value + "\" is not valid; " + fix);
    (*slot)(config) = std::move(value);
  } else if (auto* integer = std::get_if<int64_t& (*)(Config&)>(&key.slot)) {
    int64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc() || end != text.data() + text.size() || value < key.min ||
        value > key.max) {
      return complaint(key, "write a whole number from " + std::to_string(key.min) + " to " +
                                std::to_string(key.max));
    }
    (*integer)(config) = value;
  } else if (auto* duration = std::get_if<Seconds& (*)(Config&)>(&key.slot)) {
    const auto value = parse_duration(text);
    if (!value || value->count() == 0) {
      return complaint(key, "write a duration such as 20s, 30m, 12h or 90d");
    }
    (*duration)(config) = *value;
  } else {
    return set_list(config, key, split(text));
  }
  return std::nullopt;
}

Failure set_node(Config& config, const ConfigKey& key, const toml::node& node) {
  if (std::holds_alternative<Texts& (*)(Config&)>(key.slot)) {
    const auto* array = node.as_array();
    if (!array) return complaint(key, "write a list of texts, such as [\"a\", \"b\"]");
    Texts values;
    for (const auto& item : *array) {
      const auto text = item.value_exact<std::string>();
      if (!text) return complaint(key, "write a list of texts, such as [\"a\", \"b\"]");
      values.push_back(*text);
    }
    return set_list(config, key, std::move(values));
  }
  if (std::holds_alternative<std::string& (*)(Config&)>(key.slot)) {
    const auto text = node.value_exact<std::string>();
    return text ? set_text(config, key, *text) : Failure(complaint(key, "write a text in quotes"));
  }
  if (const auto number = node.value_exact<int64_t>()) {
    return set_text(config, key, std::to_string(*number));
  }
  const auto text = node.value_exact<std::string>();
  if (text && std::holds_alternative<Seconds& (*)(Config&)>(key.slot)) {
    return set_text(config, key, *text);
  }
  return set_text(config, key, "");  // the type's own complaint
}

size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string variable_of(const ConfigKey& key) {
  std::string out = "WASLO_" + std::string(key.name);
  for (auto& c : out) c = c == '.' ? '_' : static_cast<char>(std::toupper(c));
  return out;
}

std::string unknown(std::string_view name, std::string_view nearest) {
  return std::string(name) + ": unknown key; did you mean " + std::string(nearest) + "?";
}

std::string_view nearest_key(std::string_view name) {
  const auto keys = config_keys();
  return std::min_element(keys.begin(), keys.end(),
                          [&](const ConfigKey& a, const ConfigKey& b) {
                            return distance(a.name, name) < distance(b.name, name);
                          })
      ->name;
}

Failure set_file(Config& config, const toml::table& file) {
  for (const auto& [section, node] : file) {
    const auto* table = node.as_table();
    if (!table) return unknown(section.str(), nearest_key(section.str()));
    for (const auto& [leaf, value] : *table) {
      const std::string name = std::string(section.str()) + "." + std::string(leaf.str());
      const auto keys = config_keys();
      const auto key = std::find_if(keys.begin(), keys.end(),
                                    [&](const ConfigKey& k) { return k.name == name; });
      if (key == keys.end()) return unknown(name, nearest_key(name));
      if (auto failure = set_node(config, *key, value)) return failure;
    }
  }
  return std::nullopt;
}

}  // namespace

tl::expected<Config, std::string> parse_config(std::string_view toml, const Environment& env) {
  Config config;
  for (const auto& key : config_keys()) {
    if (auto failure = set_text(config, key, key.preset)) return tl::unexpected(*failure);
  }
  const auto parsed = toml::parse(toml);
  if (!parsed) {
    const auto& error = parsed.error();
    return tl::unexpected("line " + std::to_string(error.source().begin.line) + ": " +
                          std::string(error.description()) + "; fix the TOML syntax there");
  }
  if (auto failure = set_file(config, parsed.table())) return tl::unexpected(*failure);
  for (const auto& key : config_keys()) {
    const auto value = env(variable_of(key));
    if (!value) continue;
    if (auto failure = set_text(config, key, *value)) {
      return tl::unexpected(variable_of(key) + ": " + *failure);
    }
  }
  if (auto failure = check_together(config)) return tl::unexpected(*failure);
  return config;
}

std::optional<std::string> unknown_variable(const char* const* environment) {
  const auto keys = config_keys();
  for (; environment && *environment; ++environment) {
    std::string_view entry(*environment);
    const auto name = entry.substr(0, entry.find('='));
    // Only names inside our sections: the variable behind "env:NAME" may be called anything.
    const bool ours = std::any_of(keys.begin(), keys.end(), [&](const ConfigKey& key) {
      const auto variable = variable_of(key);
      return name.starts_with(variable.substr(0, variable.find('_', 6) + 1));
    });
    if (!ours) continue;
    bool known = false;
    std::string nearest;
    size_t best = SIZE_MAX;
    for (const auto& key : config_keys()) {
      const auto variable = variable_of(key);
      known = known || variable == name;
      if (const auto d = distance(variable, name); d < best) {
        best = d;
        nearest = variable;
      }
    }
    if (!known) return unknown(name, nearest);
  }
  return std::nullopt;
}

tl::expected<Config, std::string> load_config(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return tl::unexpected(path + ": cannot be read; give --config a readable TOML file");
  const std::string toml{std::istreambuf_iterator<char>(in), {}};
  if (auto failure = unknown_variable(environ)) return tl::unexpected(*failure);
  auto config = parse_config(toml, [](const std::string& name) -> std::optional<std::string> {
    const char* value = std::getenv(name.c_str());
    return value ? std::optional<std::string>(value) : std::nullopt;
  });
  if (!config && !config.error().starts_with("WASLO_")) {
    return tl::unexpected(path + ": " + config.error());
  }
  return config;
}

}  // namespace wab::bridge
