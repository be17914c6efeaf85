# How every target of the project is made: decant_library(), decant_install_package().

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # Build folders beside each other, such as those of the presets release and core, share what they compile alike, with
  # or without precompiled headers, whose paths are taken from the build folder; what ccache needs to know of these.
  set(CMAKE_CXX_COMPILER_LAUNCHER env CCACHE_BASEDIR=${PROJECT_BINARY_DIR} CCACHE_NOHASHDIR=1 CCACHE_DEPEND=1
    CCACHE_SLOPPINESS=pch_defines,time_macros ${CCACHE_PROGRAM})
endif()

add_library(decant_flags INTERFACE)
target_compile_features(decant_flags INTERFACE cxx_std_20)
target_compile_options(decant_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Woverloaded-virtual -Wno-missing-field-initializers
  -fvisibility-inlines-hidden
  $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>
  # Views are the same pixels on every machine: a * b + c is two roundings everywhere.
  -ffp-contract=off)

# decant_library(<name> FOLDER <folder> COMPONENT <component> SOURCES <files> [PUBLIC <targets>] [PRIVATE <targets>])
# makes the static library decant_<name>, its alias decant::<name>, and its install rules.
function(decant_library name)
  cmake_parse_arguments(arg "" "FOLDER;COMPONENT" "SOURCES;PUBLIC;PRIVATE" ${ARGN})
  set(target decant_${name})
  add_library(${target} STATIC ${arg_SOURCES})
  add_library(decant::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/${arg_FOLDER}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PUBLIC ${arg_PUBLIC} PRIVATE ${arg_PRIVATE} $<BUILD_INTERFACE:decant_flags>)
  install(TARGETS ${target} EXPORT decant_${arg_COMPONENT} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  set_property(GLOBAL APPEND PROPERTY DECANT_COMPONENTS ${arg_COMPONENT})
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/${arg_FOLDER}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
endfunction()

# Installs the CMake package: find_package(decant COMPONENTS core) needs neither LibTorch nor MPI.
function(decant_install_package)
  include(CMakePackageConfigHelpers)
  set(destination ${CMAKE_INSTALL_LIBDIR}/cmake/decant)
  get_property(components GLOBAL PROPERTY DECANT_COMPONENTS)
  list(REMOVE_DUPLICATES components)
  foreach(component IN LISTS components)
    install(EXPORT decant_${component} FILE decant_${component}.cmake NAMESPACE decant:: DESTINATION ${destination})
  endforeach()
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/decantConfig.cmake.in
    ${PROJECT_BINARY_DIR}/decantConfig.cmake INSTALL_DESTINATION ${destination})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/decantConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/decantConfig.cmake ${PROJECT_BINARY_DIR}/decantConfigVersion.cmake
    ${PROJECT_SOURCE_DIR}/cmake/FindRocksDBShared.cmake DESTINATION ${destination})
endfunction()
