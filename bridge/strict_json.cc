#include "bridge/strict_json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "storage/base/bytes.h"

namespace wab::bridge {
namespace {

using nlohmann::json;

// Builds the document itself, so that each key is seen once and depth is counted while parsing.
class Builder final : public nlohmann::json_sax<json> {
 public:
  bool null() override { return add(json(nullptr)); }
  bool boolean(bool v) override { return add(json(v)); }
  bool number_integer(int64_t v) override { return add(json(v)); }
  bool number_unsigned(uint64_t v) override { return add(json(v)); }
  bool number_float(double v, const std::string&) override {
    return std::isfinite(v) ? add(json(v)) : refuse("a number is out of range");
  }
  bool string(std::string& v) override { return add(json(std::move(v))); }
  bool binary(json::binary_t&) override { return refuse("binary values are not JSON"); }
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    if (open_.back()->contains(name)) return refuse("a key stands twice in one object");
    key_ = std::move(name);
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return refuse("not valid JSON at byte " + std::to_string(position));
  }

  json root;
  std::string problem;

 private:
  bool refuse(std::string why) {
    if (problem.empty()) problem = std::move(why);
    return false;
  }
  json* place(json value) {
    if (open_.empty()) {
      root = std::move(value);
      return &root;
    }
    json& parent = *open_.back();
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    return &(parent[key_] = std::move(value));
  }
  bool add(json value) {
    place(std::move(value));
    return true;
  }
  bool open(json value) {
    if (open_.size() >= kMaxJsonDepth) return refuse("nested deeper than 64 levels");
    open_.push_back(place(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  // Pointers stay valid: a parent does not grow while one of its children is open.
  std::vector<json*> open_;
  std::string key_;
};

}  // namespace

tl::expected<json, std::string> parse_strict_json(std::string_view text) {
  if (!is_utf8(view(text))) return tl::unexpected<std::string>("not valid UTF-8");
  Builder builder;
  if (!json::sax_parse(text, &builder) || !builder.problem.empty()) {
    return tl::unexpected(builder.problem.empty() ? std::string("not valid JSON")
                                                  : builder.problem);
  }
  return std::move(builder.root);
}

}  // namespace wab::bridge
