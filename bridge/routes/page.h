// The shape of a page: {data: [...], next_cursor: text or null}.
#pragma once

#include <array>

#include "bridge/shape.h"

namespace wab::bridge {

// Fields of a page of `item`, which is a constant.
constexpr std::array<Field, 2> page_fields(const Shape& item, int64_t most = 100) {
  return {{{.name = "data",
            .type = Type::array,
            .required = true,
            .max = most,
            .shape = &item,
            .item = Type::object},
           {.name = "next_cursor", .required = true, .max = 512, .nullable = true}}};
}

}  // namespace wab::bridge
