# One CMake library per room (see README, "Rooms"). Sources are found by folder, so that adding a
# topic is adding a file; a library whose folders hold no source yet is an interface.

set(WAB_WARNINGS -Wall -Wextra -Wpedantic -Werror -Wshadow=local -Wnon-virtual-dtor
    -Woverloaded-virtual -Wimplicit-fallthrough
    # g++ 12 takes Asio's coroutine frames, which have their own allocator, for a mismatch.
    -Wno-mismatched-new-delete)

function(wab_settings target scope)
  target_include_directories(${target} ${scope} ${CMAKE_SOURCE_DIR})
  target_compile_definitions(${target} ${scope} BOOST_ASIO_SEPARATE_COMPILATION
    BOOST_BEAST_SEPARATE_COMPILATION BOOST_ASIO_NO_DEPRECATED)
  if(WAB_SANITIZE)
    target_compile_options(${target} ${scope} -fsanitize=${WAB_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} ${scope} -fsanitize=${WAB_SANITIZE})
  endif()
endfunction()

# wab_room(name folder... [EXCEPT file...] [ONLY name...])
function(wab_room name)
  cmake_parse_arguments(ARG "" "" "EXCEPT;ONLY" ${ARGN})
  set(sources)
  foreach(folder ${ARG_UNPARSED_ARGUMENTS})
    file(GLOB found CONFIGURE_DEPENDS RELATIVE ${CMAKE_CURRENT_SOURCE_DIR}
         ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.cc)
    list(APPEND sources ${found})
  endforeach()
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  if(ARG_EXCEPT)
    list(REMOVE_ITEM sources ${ARG_EXCEPT})
  endif()
  if(ARG_ONLY)
    set(kept)
    foreach(only ${ARG_ONLY})
      list(FILTER sources INCLUDE REGEX ".*")
      foreach(source ${sources})
        get_filename_component(leaf ${source} NAME)
        if(leaf STREQUAL only)
          list(APPEND kept ${source})
        endif()
      endforeach()
    endforeach()
    set(sources ${kept})
  endif()
  if(NOT sources)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}_empty.cc "namespace {}\n")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/${name}_empty.cc)
  endif()
  add_library(${name} STATIC ${sources})
  wab_settings(${name} PUBLIC)
  target_compile_options(${name} PRIVATE ${WAB_WARNINGS})
endfunction()

# wab_program(name source)
function(wab_program name source)
  if(EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${source})
    add_executable(${name} ${source})
  else()
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/${name}_empty.cc "int main() { return 1; }\n")
    add_executable(${name} ${CMAKE_CURRENT_BINARY_DIR}/${name}_empty.cc)
  endif()
  target_compile_options(${name} PRIVATE ${WAB_WARNINGS})
endfunction()

# wab_protobufs(name folder): generated code is compiled without our warnings.
function(wab_protobufs name folder)
  file(GLOB protos CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.proto)
  if(NOT protos)
    add_library(${name} INTERFACE)
    return()
  endif()
  set(out ${CMAKE_BINARY_DIR}/generated)
  set(sources)
  foreach(proto ${protos})
    get_filename_component(leaf ${proto} NAME_WE)
    add_custom_command(
      OUTPUT ${out}/${folder}/${leaf}.pb.cc ${out}/${folder}/${leaf}.pb.h
      COMMAND ${CMAKE_COMMAND} -E make_directory ${out}
      COMMAND protobuf::protoc --cpp_out=lite:${out} -I ${CMAKE_SOURCE_DIR} ${folder}/${leaf}.proto
      WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
      DEPENDS ${proto} ${protos})
    list(APPEND sources ${out}/${folder}/${leaf}.pb.cc)
  endforeach()
  add_library(${name} STATIC ${sources})
  target_include_directories(${name} SYSTEM PUBLIC ${out})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf-lite)
  if(WAB_SANITIZE)
    target_compile_options(${name} PUBLIC -fsanitize=${WAB_SANITIZE})
  endif()
endfunction()


# wab_embed(target folder): the static files of a folder, compiled into the target.
function(wab_embed target folder)
  file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${folder}/*.html
       ${CMAKE_SOURCE_DIR}/${folder}/*.js ${CMAKE_SOURCE_DIR}/${folder}/*.css
       ${CMAKE_SOURCE_DIR}/${folder}/*.svg)
  set(out ${CMAKE_BINARY_DIR}/generated/${folder}_files.cc)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -D FOLDER=${CMAKE_SOURCE_DIR}/${folder} -D OUT=${out}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${found} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake)
  target_sources(${target} PRIVATE ${out})
endfunction()

# wab_test(name folder... LIBS library...): one GoogleTest program per room.
function(wab_test name)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  set(sources)
  foreach(folder ${ARG_UNPARSED_ARGUMENTS})
    file(GLOB found CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${folder}/*_test.cc)
    list(APPEND sources ${found})
  endforeach()
  if(NOT sources)
    return()
  endif()
  add_executable(${name} ${sources})
  target_compile_options(${name} PRIVATE ${WAB_WARNINGS})
  # Only where it is asked for: the same file built elsewhere is then the same to a compiler cache.
  foreach(source ${sources})
    file(STRINGS ${source} asks REGEX WAB_SOURCE_DIR)
    if(asks)
      set_property(SOURCE ${source} APPEND PROPERTY COMPILE_DEFINITIONS WAB_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
    endif()
  endforeach()
  target_link_libraries(${name} PRIVATE ${ARG_LIBS} wab_test_support GTest::gmock GTest::gtest_main)
  include(GoogleTest)
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300)
endfunction()
