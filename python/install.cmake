# Installs the Python package: component `python`. `pip install .` makes a wheel of it, by pyproject.toml.
option(DECANT_BUNDLE_LIBRARIES "Install the shared libraries that the Python package needs into it (needs patchelf)" OFF)

if(SKBUILD)
  set(package_folder decant) # pip itself takes the .py files
else()
  get_filename_component(site_packages ${Python_SITEARCH} NAME) # Debian's own Python: dist-packages
  set(DECANT_PYTHON_DIR lib/python${Python_VERSION_MAJOR}.${Python_VERSION_MINOR}/${site_packages}
    CACHE STRING "Where to install the Python package, below the prefix")
  set(package_folder ${DECANT_PYTHON_DIR}/decant)
  install(DIRECTORY decant/ DESTINATION ${package_folder} COMPONENT python
    FILES_MATCHING PATTERN *.py PATTERN *.pyi PATTERN py.typed PATTERN __pycache__ EXCLUDE)
endif()
install(TARGETS decant_python LIBRARY DESTINATION ${package_folder} COMPONENT python)

if(DECANT_BUNDLE_LIBRARIES)
  find_program(PATCHELF_PROGRAM patchelf REQUIRED)
  install(CODE "
    set(package \"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${package_folder}\")
    set(module \"\${package}/$<TARGET_FILE_NAME:decant_python>\")
    set(patchelf \"${PATCHELF_PROGRAM}\")" COMPONENT python)
  install(SCRIPT bundle_libraries.cmake COMPONENT python)
endif()
