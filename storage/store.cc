#include "storage/store.h"

namespace wab::storage {
namespace {

const char* error_name(int code) {
  switch (static_cast<StoreError>(code)) {
    case StoreError::fenced:
      return "fenced";
    case StoreError::quarantined:
      return "quarantined";
    case StoreError::unsealed:
      return "unsealed";
    case StoreError::corrupt:
      return "corrupt";
    case StoreError::version:
      return "version";
    case StoreError::root_key:
      return "root_key";
    case StoreError::busy:
      return "busy";
    case StoreError::io:
      return "io";
    case StoreError::not_found:
      return "not_found";
  }
  return "unknown";
}

}  // namespace

const ErrorDomain& error_domain(StoreError) {
  static constexpr ErrorDomain domain{"storage", error_name};
  return domain;
}

}  // namespace wab::storage
