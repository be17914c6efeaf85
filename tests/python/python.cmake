# The Python package's own tests, by Debian's Python and its PyTorch: a test for each file test_<name>.py.
function(decant_python_tests)
  foreach(name IN LISTS ARGN)
    add_test(NAME python.${name} COMMAND ${Python_EXECUTABLE} -m pytest -q -x -p no:cacheprovider
      ${PROJECT_SOURCE_DIR}/tests/python/test_${name}.py)
    set_tests_properties(python.${name} PROPERTIES LABELS python TIMEOUT 400 ENVIRONMENT
      "PYTHONPATH=${PROJECT_BINARY_DIR}/python;DECANT_PROGRAM=$<TARGET_FILE:decant>;PYTHONDONTWRITEBYTECODE=1;OMP_NUM_THREADS=1")
  endforeach()
endfunction()

find_package(Python REQUIRED COMPONENTS Interpreter)
decant_python_tests(external_views labeller rows store torch_data)
