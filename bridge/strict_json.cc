#include "bridge/strict_json.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "bridge/json_pointer.h"
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
    return std::isfinite(v) ? add(json(v)) : refuse("is a number out of range");
  }
  bool string(std::string& v) override { return add(json(std::move(v))); }
  bool binary(json::binary_t&) override { return refuse("is not JSON"); }
  bool start_object(size_t) override { return open(json::object()); }
  bool start_array(size_t) override { return open(json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(std::string& name) override {
    key_ = std::move(name);
    if (open_.back()->contains(key_)) return refuse("stands twice in one object");
    return true;
  }
  bool parse_error(size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    constexpr int kOutOfRange = 406;
    if (error.id == kOutOfRange) return refuse("is a number out of range");
    return refuse("is not valid JSON at byte " + std::to_string(position));
  }

  json root;
  FieldError problem;

  // Where the parser stands.
  std::string pointer() const {
    std::string out;
    for (size_t i = 0; i < open_.size(); ++i) {
      const json& parent = *open_[i];
      if (parent.is_object()) {
        const bool before_its_keys = i + 1 == open_.size() && key_.empty() && !parent.contains("");
        if (before_its_keys) break;
        out += "/" + pointer_part(i + 1 < open_.size() ? keys_[i + 1] : key_);
      } else {
        // Of the child that is open, or of the one that comes next.
        out += "/" + std::to_string(parent.size() - (i + 1 < open_.size() ? 1 : 0));
      }
    }
    return out;
  }

 private:
  bool refuse(std::string why) {
    if (problem.message.empty()) problem = {pointer(), std::move(why)};
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
    if (open_.size() >= kMaxJsonDepth) return refuse("is nested deeper than 64 levels");
    open_.push_back(place(std::move(value)));
    keys_.push_back(std::exchange(key_, {}));
    return true;
  }
  bool close() {
    open_.pop_back();
    key_ = std::move(keys_.back());
    keys_.pop_back();
    return true;
  }

  // Pointers stay valid: a parent does not grow while one of its children is open.
  std::vector<json*> open_;
  std::vector<std::string> keys_;  // of each open value, in its parent
  std::string key_;                // that came last
};

}  // namespace

tl::expected<json, FieldError> parse_strict_json(std::string_view text) {
  const bool utf8 = is_utf8(view(text));
  Builder builder;
  const bool parsed = json::sax_parse(text, &builder) && builder.problem.message.empty();
  if (!utf8) return tl::unexpected(FieldError{builder.problem.pointer, "is not valid UTF-8"});
  if (!parsed) return tl::unexpected(std::move(builder.problem));
  return std::move(builder.root);
}

}  // namespace wab::bridge
