import nbformat, sys
cells=[]
def M(s): cells.append(nbformat.v4.new_markdown_cell(s.strip("\n")))
def C(s,tags=None):
    c=nbformat.v4.new_code_cell(s.strip("\n"))
    if tags: c.metadata["tags"]=tags
    cells.append(c)
exec(open("/tmp/w/F/cells.py").read())
nb=nbformat.v4.new_notebook(cells=cells)
for i,c in enumerate(nb.cells): c["id"]=f"failure-{i:02d}"
nb.metadata={"kernelspec":{"display_name":"Python 3 (ipykernel)","language":"python","name":"python3"},"language_info":{"name":"python"}}
out=sys.argv[1]; nbformat.write(nb,out)
print(len(cells))
