# Writes OUTPUT: the files of the runtime as constant text, for --single-file.
# cmake -DROOT=runtime -DOUTPUT=file.c -DFILES="a.h;b.c" -P embed.cmake
set(text "#include \"emit/single.h\"\n\n")
set(rows "")
set(i 0)
foreach(file IN LISTS FILES)
  file(READ ${ROOT}/${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND text "static const char text${i}[] = {${bytes}0};\n")
  string(APPEND rows "    {\"${file}\", text${i}},\n")
  math(EXPR i "${i} + 1")
endforeach()
string(APPEND text "\nconst RuntimeFile runtime_files[] = {\n${rows}    {0, 0},\n};\n")
file(WRITE ${OUTPUT} "${text}")
