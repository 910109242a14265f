# What `cmake --install` puts where, and the two packages that users of the library find it by. The library is shared
# only: a static one would bind its users to the private interface of the gRPC core it was built with.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/vecmux)

# In the build tree the programs stand together, in bin/.
set(programs vecmux_cli vecmux-demo vecmux-first)
if(TARGET vecmuxd)
  list(APPEND programs vecmuxd)
endif()
set_target_properties(${programs} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)

# An installed program finds the library beside it, wherever the prefix is.
file(RELATIVE_PATH bin_to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
set_target_properties(vecmux_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${bin_to_lib}")

install(TARGETS vecmux EXPORT vecmux-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
if(TARGET vecmux_mock)
  install(TARGETS vecmux_mock EXPORT vecmux-targets LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
install(TARGETS vecmux_cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY include/vecmux DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(DIRECTORY docs/ DESTINATION ${CMAKE_INSTALL_DOCDIR} FILES_MATCHING PATTERN "*.md")
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})
install(FILES examples/first.c DESTINATION ${CMAKE_INSTALL_DOCDIR}/examples)

# relative to itself, so that the tree may be installed or moved anywhere
file(RELATIVE_PATH VMX_PC_TO_PREFIX /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" VMX_PC_TO_PREFIX "${VMX_PC_TO_PREFIX}")
configure_file(cmake/vecmux.pc.in vecmux.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/vecmux.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(TARGET vecmux_mock)
  configure_file(cmake/vecmux-mock.pc.in vecmux-mock.pc @ONLY)
  install(FILES ${CMAKE_BINARY_DIR}/vecmux-mock.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()

install(EXPORT vecmux-targets NAMESPACE vecmux:: DESTINATION ${package_dir})
configure_package_config_file(cmake/vecmux-config.cmake.in ${CMAKE_BINARY_DIR}/vecmux-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/vecmux-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/vecmux-config.cmake ${CMAKE_BINARY_DIR}/vecmux-config-version.cmake
        DESTINATION ${package_dir})
