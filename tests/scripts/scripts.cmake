# Tests that run the program as a user does: each is a shell script that gets the path of `decant`, of the sources, and more where
# it needs it.
function(decant_script name label)
  add_test(NAME ${name} COMMAND ${PROJECT_SOURCE_DIR}/tests/scripts/${name}.sh $<TARGET_FILE:decant> ${PROJECT_SOURCE_DIR} ${ARGN})
  set_tests_properties(${name} PROPERTIES LABELS "${label};program" TIMEOUT 600 SKIP_RETURN_CODE 77)
endfunction()

decant_script(layering unit)
decant_script(docs_name_every_key unit)
decant_script(known_answers unit)
decant_script(bench unit)

# Stores that are written without a teacher.
add_executable(make_store ${PROJECT_SOURCE_DIR}/tests/tools/make_store.cc)
target_link_libraries(make_store PRIVATE decant::store decant_flags)
target_include_directories(make_store PRIVATE ${PROJECT_SOURCE_DIR}/tests)
decant_script(exchange unit $<TARGET_FILE:make_store>)
decant_script(inspect unit $<TARGET_FILE:make_store>)
if(NOT DECANT_TORCH)
  # Hundreds of runs of the program, which starts in 0.02 s without LibTorch and in 0.5 s with it.
  decant_script(killed_stores crash $<TARGET_FILE:make_store>)
  set_tests_properties(killed_stores PROPERTIES PROCESSORS 2)
endif()
decant_script(full_disk crash $<TARGET_FILE:make_store>)
decant_script(read_only_store cli $<TARGET_FILE:make_store>)
decant_script(store_commands cli $<TARGET_FILE:make_store>)
decant_script(status cli $<TARGET_FILE:make_store>)
set_tests_properties(full_disk read_only_store status store_commands PROPERTIES PROCESSORS 2)

if(DECANT_TORCH)
  decant_script(bad_input cli)
  decant_script(damage cli)
  decant_script(match cli)
  decant_script(plan cli)
  decant_script(submit cli)
  decant_script(train_without_teacher cli)
  decant_script(python_teacher python)
  decant_script(python_student python)
  decant_script(verify_teacher cli)
  set_tests_properties(bad_input damage match train_without_teacher python_teacher python_student verify_teacher PROPERTIES PROCESSORS 2)
endif()
if(DECANT_TORCH AND DECANT_MPI)
  decant_script(one_digest mpi)
  decant_script(killed_runs crash)
  decant_script(demo cli)
  decant_script(other_processor mpi)
  decant_script(produce_images mpi)
  decant_script(produce_tokens mpi)
  decant_script(train_on_ranks mpi)
  set_tests_properties(one_digest killed_runs demo other_processor produce_images produce_tokens train_on_ranks PROPERTIES PROCESSORS 2)
endif()

# The installed package, used by a project of its own.
add_test(NAME install_and_find_package COMMAND ${CMAKE_COMMAND}
  -D BINARY_DIR=${PROJECT_BINARY_DIR} -D CLIENT=${PROJECT_SOURCE_DIR}/tests/install
  -D CXX=${CMAKE_CXX_COMPILER} "-D FLAGS=${CMAKE_CXX_FLAGS}" -P ${PROJECT_SOURCE_DIR}/tests/install/run.cmake)
set_tests_properties(install_and_find_package PROPERTIES LABELS install TIMEOUT 300)
