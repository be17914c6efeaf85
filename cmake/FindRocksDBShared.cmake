# Defines RocksDBShared::RocksDBShared, the shared RocksDB library alone.
# RocksDB's own CMake package also defines `gflags`, and so does LibTorch's: the two cannot meet in one directory.
find_path(RocksDBShared_INCLUDE_DIR rocksdb/db.h)
find_library(RocksDBShared_LIBRARY rocksdb)
if(RocksDBShared_INCLUDE_DIR)
  file(STRINGS ${RocksDBShared_INCLUDE_DIR}/rocksdb/version.h version_lines REGEX "#define ROCKSDB_(MAJOR|MINOR|PATCH)")
  list(TRANSFORM version_lines REPLACE "[^0-9]*([0-9]+).*" "\\1")
  list(JOIN version_lines "." RocksDBShared_VERSION)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(RocksDBShared
  REQUIRED_VARS RocksDBShared_LIBRARY RocksDBShared_INCLUDE_DIR VERSION_VAR RocksDBShared_VERSION)
if(RocksDBShared_FOUND AND NOT TARGET RocksDBShared::RocksDBShared)
  add_library(RocksDBShared::RocksDBShared UNKNOWN IMPORTED)
  set_target_properties(RocksDBShared::RocksDBShared PROPERTIES
    IMPORTED_LOCATION ${RocksDBShared_LIBRARY} INTERFACE_INCLUDE_DIRECTORIES ${RocksDBShared_INCLUDE_DIR})
endif()
