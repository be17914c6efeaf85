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
decant_python_tests(bench examples external_views label_stream labelled_dataset labeller linear_loss loss rows select store tokens)

# The wheel, built once more with flags that ccache knows, installed for others.
add_test(NAME python.wheel COMMAND ${CMAKE_CURRENT_LIST_DIR}/wheel.sh ${PROJECT_BINARY_DIR}/wheel ${PROJECT_SOURCE_DIR}
  ${Python_EXECUTABLE} ${CMAKE_C_COMPILER} ${CMAKE_CXX_COMPILER} $<TARGET_FILE:make_store>)
set_tests_properties(python.wheel PROPERTIES LABELS python TIMEOUT 1200 SKIP_RETURN_CODE 77 PROCESSORS 2)
