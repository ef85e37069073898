# What is installed and packed: both programs, unit, configuration, completion, licences and the bill
# of materials. `cpack -G DEB` in the build directory makes the Debian package.

set(WAB_PACKED ${CMAKE_BINARY_DIR}/packed)
set(completions)
foreach(shell bash zsh fish)
  add_custom_command(
    OUTPUT ${WAB_PACKED}/completion.${shell}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${WAB_PACKED}
    COMMAND waslo-bridge completion ${shell} > ${WAB_PACKED}/completion.${shell}
    DEPENDS waslo-bridge VERBATIM)
  list(APPEND completions ${WAB_PACKED}/completion.${shell})
endforeach()
add_custom_command(
  OUTPUT ${WAB_PACKED}/sbom.cdx.json ${WAB_PACKED}/THIRD-PARTY-LICENCES
  COMMAND ${CMAKE_SOURCE_DIR}/bridge/packaging/make-sbom ${CMAKE_BINARY_DIR} $<TARGET_FILE:waslo-bridge>
          ${WAB_PACKED} ${PROJECT_VERSION}
  DEPENDS waslo-bridge bridge/packaging/make-sbom VERBATIM)
# Part of every build that is installed; quick builds make them when asked.
if(CMAKE_BUILD_TYPE STREQUAL "Debug")
  add_custom_target(package_files)
else()
  add_custom_target(package_files ALL)
endif()
add_custom_target(package_files_made DEPENDS ${completions} ${WAB_PACKED}/sbom.cdx.json)
add_dependencies(package_files package_files_made)

set(doc share/doc/waslo-bridge)
install(TARGETS waslo-bridge RUNTIME DESTINATION bin)
install(FILES ${WAB_PACKED}/completion.bash DESTINATION share/bash-completion/completions RENAME waslo-bridge)
install(FILES ${WAB_PACKED}/completion.zsh DESTINATION share/zsh/vendor-completions RENAME _waslo-bridge)
install(FILES ${WAB_PACKED}/completion.fish DESTINATION share/fish/vendor_completions.d RENAME waslo-bridge.fish)
install(FILES ${WAB_PACKED}/sbom.cdx.json ${WAB_PACKED}/THIRD-PARTY-LICENCES README.md SECURITY.md
              bridge/OPERATIONS.md DESTINATION ${doc})
install(FILES LICENSE DESTINATION ${doc} RENAME copyright)
install(FILES bridge/bridge.example.toml bridge/examples/grafana.json DESTINATION ${doc}/examples)
install(PROGRAMS scripts/sessions DESTINATION ${doc}/examples)
install(FILES bridge/packaging/waslo-bridge.service DESTINATION /lib/systemd/system)
install(FILES bridge/packaging/bridge.toml DESTINATION /etc/waslo-bridge)

set(CPACK_PACKAGE_NAME waslo-bridge)
set(CPACK_PACKAGE_VENDOR "Waslo")
set(CPACK_PACKAGE_CONTACT "Waslo <security@waslo.example>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "WhatsApp linked-device sessions to webhooks")
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_SET_DESTDIR ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_GENERATOR DEB)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "ca-certificates, passwd")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
file(WRITE ${CMAKE_BINARY_DIR}/debian/conffiles "/etc/waslo-bridge/bridge.toml\n")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
    ${CMAKE_SOURCE_DIR}/bridge/packaging/debian/postinst
    ${CMAKE_SOURCE_DIR}/bridge/packaging/debian/prerm
    ${CMAKE_SOURCE_DIR}/bridge/packaging/debian/postrm
    ${CMAKE_BINARY_DIR}/debian/conffiles)
include(CPack)
