// The OpenAPI 3.1 document, printed from the table of routes and their shapes.
#pragma once

#include <string>

#include "bridge/shape.h"

namespace wab::bridge {

// The same text for the whole life of the process.
const std::string& openapi_document();

// A body without a required field: none is the same as {}.
bool body_may_be_absent(const Shape& shape);

}  // namespace wab::bridge
