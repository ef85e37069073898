// The OpenAPI 3.1 document, printed from the table of routes and their shapes.
#pragma once

#include <string>

namespace wab::bridge {

// The same text for the whole life of the process.
const std::string& openapi_document();

}  // namespace wab::bridge
