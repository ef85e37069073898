// Errors as values.
//
// Each room has one enum of error codes and one ErrorDomain that names them. An Error is three
// words, allocates nothing and can be made at compile time; `where` is a string literal that says
// which check failed. Exceptions mean a bug or no memory and are not used for control flow.
//
//   enum class NodeError { truncated, too_deep };
//   const ErrorDomain& error_domain(NodeError);          // found by argument-dependent lookup
//   Result<Node> decode(ByteView in) {
//     TRY(auto header, read_header(in));
//     if (header.size == 0) return fail(NodeError::truncated, "list header");
//     ...
//   }
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace wab {

struct ErrorDomain {
  const char* room;               // "node", "storage", ...: constant, safe for logs and metrics
  const char* (*name)(int code);  // "truncated"
};

class Error {
 public:
  template <class Code>
  Error(Code code, const char* where)
      : domain_(&error_domain(code)), where_(where), code_(static_cast<int>(code)) {}

  template <class Code>
  bool is(Code code) const {
    return domain_ == &error_domain(code) && code_ == static_cast<int>(code);
  }
  const char* room() const { return domain_->room; }
  const char* name() const { return domain_->name(code_); }
  const char* where() const { return where_; }
  int code() const { return code_; }
  // "node.truncated at list header": for logs and tests, never for decisions.
  std::string describe() const { return std::string(room()) + "." + name() + " at " + where_; }

 private:
  const ErrorDomain* domain_;
  const char* where_;
  int code_;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
  Result(tl::expected<T, Error> other) : tl::expected<T, Error>(std::move(other)) {}  // NOLINT
};

template <class Code>
tl::unexpected<Error> fail(Code code, const char* where) {
  return tl::unexpected<Error>(Error(code, where));
}
inline tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(error); }
inline Result<void> ok() { return {}; }

}  // namespace wab

#define WAB_CAT2(a, b) a##b
#define WAB_CAT(a, b) WAB_CAT2(a, b)
// TRY(auto x, f()): x is the value, or the enclosing function returns the error.
#define TRY(decl, ...)                                                               \
  auto WAB_CAT(try_, __LINE__) = (__VA_ARGS__);                                      \
  if (!WAB_CAT(try_, __LINE__)) return ::wab::fail(WAB_CAT(try_, __LINE__).error()); \
  decl = std::move(*WAB_CAT(try_, __LINE__))
#define TRY_VOID(...)                                      \
  do {                                                     \
    auto try_void_ = (__VA_ARGS__);                        \
    if (!try_void_) return ::wab::fail(try_void_.error()); \
  } while (false)
// The same inside a coroutine. Write CO_TRY(auto x, co_await f()); arguments of f must be named
// objects, see the rules for coroutines in the README.
#define CO_TRY(decl, ...)                                                               \
  auto WAB_CAT(try_, __LINE__) = (__VA_ARGS__);                                         \
  if (!WAB_CAT(try_, __LINE__)) co_return ::wab::fail(WAB_CAT(try_, __LINE__).error()); \
  decl = std::move(*WAB_CAT(try_, __LINE__))
#define CO_TRY_VOID(...)                                      \
  do {                                                        \
    auto try_void_ = (__VA_ARGS__);                           \
    if (!try_void_) co_return ::wab::fail(try_void_.error()); \
  } while (false)
