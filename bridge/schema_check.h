// Requests against the schemas of the document that /openapi.json serves, by a library (valijson).
//
// Any shard. The schemas are compiled once, from the document's own text. A shape (shape.h) judges
// first: it words the refusal, and it bounds what the library's regular expressions, which recurse,
// are given. What a shape accepts and the library does not is refused all the same, with the
// library's place.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <tl/expected.hpp>

#include "bridge/shape.h"

namespace wab::bridge {

struct Route;

// Before serving; the error names what cannot be compiled.
tl::expected<void, std::string> compile_schemas();

// Why the library refuses it, or nothing. Only for what the shape has accepted.
std::optional<FieldError> refuted_body(const Route& route, const nlohmann::json& body);
std::optional<FieldError> refuted_query(const Route& route, const Query& query);

// For tests, of which none else uses the route meanwhile: bodies of this route are judged by
// another schema than the document's; null: by the document's again.
void judge_otherwise_for_tests(const Route& route, const nlohmann::json& schema);

// 1.0 is a whole number in JSON Schema and not in C++: from here on it is 1.
void make_whole(nlohmann::json& value);

}  // namespace wab::bridge
