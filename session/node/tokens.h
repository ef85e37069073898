// Dictionaries of the binary XML, version 3: 235 one-byte tokens and four times 256 two-byte ones
// (dossier 1 section 4.2). All are distinct ASCII. Pure data; lookups from any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wab::node {

inline constexpr size_t kSingleTokens = 236;  // slot 0 is the empty list, not a token
inline constexpr size_t kDictionaries = 4;
inline constexpr size_t kDictionarySize = 256;

struct Token {
  int dictionary = -1;  // -1 for a one-byte token
  uint8_t index = 0;
};

// Empty for an index without a token.
std::string_view single_token(uint8_t index);
std::string_view double_token(size_t dictionary, uint8_t index);
// The token equal to `text`, or null.
const Token* find_token(std::string_view text);

}  // namespace wab::node
