# Finds LibTorch (Debian's libtorch-dev, or the one in CMAKE_PREFIX_PATH) and makes the target decant_torch from it.
find_package(Torch REQUIRED)
if(TORCH_CXX_FLAGS MATCHES "_GLIBCXX_USE_CXX11_ABI=0")
  message(FATAL_ERROR "The LibTorch in ${TORCH_INSTALL_PREFIX} uses the old C++ ABI, which the other libraries do not. "
    "Use Debian's libtorch-dev, or a LibTorch built with _GLIBCXX_USE_CXX11_ABI=1 (PyTorch 2.6 and later).")
endif()

cmake_path(IS_PREFIX TORCH_INSTALL_PREFIX "${TORCH_LIBRARY}" NORMALIZE torch_is_one)
if(NOT torch_is_one)
  message(FATAL_ERROR "The headers of LibTorch are in ${TORCH_INSTALL_PREFIX}, but CMake found the library ${TORCH_LIBRARY}. "
    "Begin again with -DCMAKE_PREFIX_PATH=${TORCH_INSTALL_PREFIX}, in an empty build folder.")
endif()

# LibTorch's headers are not clean under our warnings: they are system headers.
add_library(decant_torch INTERFACE)
# PyTorch's own builds bring headers of another {fmt} among theirs: those of the library that everything else uses, and
# that is linked, come first.
foreach(folder IN LISTS TORCH_INCLUDE_DIRS)
  if(EXISTS ${folder}/fmt/format.h)
    get_target_property(fmt_folders fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
    find_path(DECANT_FMT_INCLUDE fmt/format.h PATHS ${fmt_folders} NO_DEFAULT_PATH REQUIRED)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/fmt_first)
    file(CREATE_LINK ${DECANT_FMT_INCLUDE}/fmt ${PROJECT_BINARY_DIR}/fmt_first/fmt SYMBOLIC)
    target_include_directories(decant_torch SYSTEM INTERFACE $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/fmt_first>)
    break()
  endif()
endforeach()
target_include_directories(decant_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
# The C++ library comes first: PyTorch's wheels export an own copy of a part of std::filesystem, which crashes.
target_link_libraries(decant_torch INTERFACE stdc++ $<BUILD_INTERFACE:${TORCH_LIBRARIES}> $<INSTALL_INTERFACE:torch>)
install(TARGETS decant_torch EXPORT decant_torch)
