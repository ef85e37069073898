// The version of this build; tests hold it and CMake's to be the same.
#pragma once

namespace wab::bridge {

inline constexpr const char* kVersion = "0.1.0";

}  // namespace wab::bridge
